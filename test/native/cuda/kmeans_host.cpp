// K-means for a GPU, run on the host: reads options and samples from stdin, writes the result to
// stdout. Everything is as in the kernel library but the instructions of instructions.cuh, and
// the copies to the GPU.
#include <ATen/ops/empty.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "ops/cuda/kmeans_lloyd.h"

namespace medcoss::cuda {

struct KmeansUpload::State {};
KmeansUpload::KmeansUpload(at::Device, int64_t) {}
KmeansUpload::~KmeansUpload() = default;
void KmeansUpload::start(int, const float* from, float* to, int64_t count) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}
void KmeansUpload::wait(int) {}
void KmeansUpload::release(int) {}
void* current_stream(at::Device) {
  return nullptr;
}
void launched(int code, const char* kernel) {
  if (code != 0) throw std::runtime_error(kernel);
}

}  // namespace medcoss::cuda

namespace {

struct Header {
  double samples, dimensions, clusters, seed, restarts, max_iterations, tolerance, given, memory,
      hopper;
};

template <typename T>
void take(T* to, size_t count) {
  if (std::fread(to, sizeof(T), count, stdin) != count) throw std::runtime_error("short input");
}

template <typename T>
void give(const T* from, size_t count) {
  std::fwrite(from, sizeof(T), count, stdout);
}

at::Tensor take_matrix(int64_t rows, int64_t width) {
  at::Tensor matrix = at::empty({rows, width}, at::kFloat);
  take(matrix.data_ptr<float>(), static_cast<size_t>(rows * width));
  return matrix;
}

}  // namespace

int main() {
  Header header;
  take(&header, 1);
  medcoss::KmeansOptions options;
  const auto width = static_cast<int64_t>(header.dimensions);
  options.clusters = static_cast<int64_t>(header.clusters);
  options.seed = static_cast<uint64_t>(header.seed);
  options.restarts = static_cast<int64_t>(header.restarts);
  options.max_iterations = static_cast<int64_t>(header.max_iterations);
  options.tolerance = header.tolerance;
  options.data_ND = take_matrix(static_cast<int64_t>(header.samples), width);
  if (header.given != 0) options.centres_KD = take_matrix(options.clusters, width);
  const medcoss::cuda::KmeansPlace place{at::kCPU, 4, static_cast<int64_t>(header.memory),
                                         header.hopper != 0};
  const medcoss::KmeansResult result = medcoss::cuda::kmeans(options, place);
  const double numbers[] = {result.inertia, static_cast<double>(result.iterations)};
  give(numbers, 2);
  give(result.labels_N.data_ptr<int32_t>(), static_cast<size_t>(result.labels_N.numel()));
  give(result.centres_KD.data_ptr<float>(), static_cast<size_t>(result.centres_KD.numel()));
  return 0;
}
