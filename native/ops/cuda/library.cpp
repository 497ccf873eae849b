// The kernel library's one exported symbol, and the facts about devices.
//
// Invariant: nothing here starts CUDA before a method is called, so the library loads on machines
// without a GPU or driver.
#include "ops/cuda/library.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include "ops/cuda/check.h"
#include "ops/cuda/kmeans_lloyd.h"
#include "ops/cuda/launchers.h"
#include "ops/cuda/recorded_graph.h"
#include "support/error.h"

namespace medcoss {

namespace {

[[noreturn]] void refuse_cuda(const std::string& problem) {
  throw Error("E_NO_CUDA", {{"device", "cuda"}, {"problem", problem}});
}

// CUDA's own message is the same for a driver that is missing and one that is too old.
void check_driver() {
  int version = 0;
  cuda::check(cudaDriverGetVersion(&version), "reading the driver's version");
  if (version == 0) refuse_cuda("there is no NVIDIA driver (libcuda.so.1)");
  const auto release = [](int number) {
    return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
  };
  if (version / 1000 < CUDART_VERSION / 1000) {
    refuse_cuda("the driver serves CUDA " + release(version) + "; " + release(CUDART_VERSION) +
                " needs driver 580 or newer");
  }
}

class Library final : public CudaLibrary {
 public:
  std::string version() const override { return MEDCOSS_VERSION; }

  int device_count() override {
    check_driver();
    int count = 0;
    const cudaError_t code = cudaGetDeviceCount(&count);
    if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0))
      refuse_cuda("the driver offers no GPU (see CUDA_VISIBLE_DEVICES)");
    cuda::check(code, "counting devices");
    return count;
  }

  CudaDevice device(int index) override {
    cudaDeviceProp properties{};
    cuda::check(cudaGetDeviceProperties(&properties, index), "reading the device");
    CudaDevice result;
    result.name = properties.name;
    result.major = properties.major;
    result.minor = properties.minor;
    result.multiprocessors = properties.multiProcessorCount;
    result.memory = properties.totalGlobalMem;
    return result;
  }

  std::size_t free_memory(int index) override {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    std::size_t free = 0;
    std::size_t total = 0;
    cuda::check(cudaMemGetInfo(&free, &total), "reading the device's memory");
    return free;
  }

  std::size_t peak_memory(int index) override {
    const auto stats =
        c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
    const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return static_cast<std::size_t>(stats.reserved_bytes[all].peak);
  }

  void synchronize(int index) override {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    cuda::check(cudaDeviceSynchronize(), "waiting for the device");
  }

  KmeansResult kmeans(const KmeansOptions& options, int index) override {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    // What a trainer has freed is not free yet.
    c10::cuda::CUDACachingAllocator::emptyCache();
    const auto room = static_cast<int64_t>(free_memory(index) / 5 * 4);
    const int64_t memory = options.device_memory > 0 ? options.device_memory : room;
    const CudaDevice found = device(index);
    const bool hopper = found.major == 9 && found.minor == 0;
    return cuda::kmeans(options, {guard.current_device(), found.multiprocessors, memory, hopper});
  }

  CudaOperations& operations() override { return operations_; }

  CudaPool make_pool() override { return cuda::make_pool(); }

  std::unique_ptr<CudaGraph> record(const CudaPool& pool,
                                    const std::function<void()>& work) override {
    return cuda::record_graph(pool, work);
  }

 private:
  cuda::Launchers operations_;
};

}  // namespace

}  // namespace medcoss

extern "C" __attribute__((visibility("default"))) medcoss::CudaLibrary* medcoss_cuda_library() {
  static medcoss::Library library;
  return &library;
}
