#include "ops/cuda/graph.h"

#include <ATen/cuda/CUDAGraph.h>

#include <mutex>

#include "ops/cuda/recorded_graph.h"

namespace medcoss::cuda {
namespace {

class RecordedGraph final : public CudaGraph {
 public:
  RecordedGraph(const CudaPool& pool, const std::function<void()>& work) {
    // LibTorch's allocator takes memory for one capture at a time.
    static std::mutex one_at_a_time;
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    // Other threads, such as those of other trainers, may call the driver meanwhile.
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      abandon();
      throw;
    }
    graph_.capture_end();
  }

  void replay() override { graph_.replay(); }

 private:
  // Ends the capture, so that the stream is usable; the error that is being handled counts, not
  // what CUDA says of half a graph.
  void abandon() noexcept {
    try {
      graph_.capture_end();
    } catch (...) {
      cudaGetLastError();
    }
  }

  at::cuda::CUDAGraph graph_;
};

}  // namespace

CudaPool make_pool() {
  return at::cuda::graph_pool_handle();
}

std::unique_ptr<CudaGraph> record_graph(const CudaPool& pool, const std::function<void()>& work) {
  return std::make_unique<RecordedGraph>(pool, work);
}

}  // namespace medcoss::cuda
