// Masked patches: statistics, loss and gradient of a removed patch in one pass over it.
//
// A block has a patch, which stays in registers (3 x 16^2 and 16^3 values); patches of other sizes
// are read again for each step.
#include <algorithm>

#include "ops/cuda/launch.cuh"
#include "ops/cuda/loss_kernels.h"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/reduce.cuh"

namespace medcoss::cuda {
namespace {

constexpr int threads = 128;
constexpr int settle_threads = 1024;
constexpr int scale_threads = 256;
constexpr int64_t most_scale_blocks = 8 * 132;
constexpr float epsilon = 1e-6F;

// Where a block's patch and prediction are.
template <typename T>
struct Place {
  const float* target;
  const T* predicted;
  T* gradient;

  __device__ explicit Place(const PatchLoss<T>& p) {
    const int64_t row = blockIdx.x;
    const int64_t sample = static_cast<uint32_t>(row) / static_cast<uint32_t>(p.removed_patches);
    target = p.patches + (sample * p.all_patches + p.removed[row]) * p.values;
    predicted = p.predicted + row * p.values;
    gradient = p.gradient + row * p.values;
  }
};

template <typename T>
__device__ inline float gradient_factor(const PatchLoss<T>& p) {
  const double rows = static_cast<double>(p.samples * p.removed_patches);
  return static_cast<float>(2 / (rows * static_cast<double>(p.values)));
}

__device__ inline float mean_of(float sum, int64_t count) {
  return block_sum<threads>(sum) / static_cast<float>(count);
}

__device__ inline float deviation_to_scale(float squares, int64_t count) {
  return rsqrtf(block_sum<threads>(squares) / static_cast<float>(count - 1) + epsilon);
}

template <int quads, typename F>
__device__ inline void for_quads(int64_t values, const F& f) {
#pragma unroll
  for (int q = 0; q < quads; ++q) {
    const int at = 4 * (static_cast<int>(threadIdx.x) + q * threads);
    if (at < static_cast<int>(values)) f(q, at);
  }
}

template <typename T, int quads>
__global__ void __launch_bounds__(threads)
    patch_in_registers(const __grid_constant__ PatchLoss<T> p) {
  const Place<T> place(p);
  Pack<float, 4> target[quads];
  Pack<T, 4> predicted[quads];
  for_quads<quads>(p.values, [&](int q, int at) {
    target[q] = load_pack<float, 4>(place.target + at);
    predicted[q] = load_pack<T, 4>(place.predicted + at);
  });
  float sum = 0;
  for_quads<quads>(p.values, [&](int q, int) {
    for (const float value : target[q].at) sum += value;
  });
  const float mean = mean_of(sum, p.values);
  float squares = 0;
  for_quads<quads>(p.values, [&](int q, int) {
    for (const float value : target[q].at) squares += (value - mean) * (value - mean);
  });
  const float scale = deviation_to_scale(squares, p.values);
  const float factor = gradient_factor(p);
  float loss = 0;
  for_quads<quads>(p.values, [&](int q, int at) {
    for (int i = 0; i < 4; ++i) {
      const float difference = to_float(predicted[q].at[i]) - (target[q].at[i] - mean) * scale;
      loss += difference * difference;
      store(predicted[q].at[i], factor * difference);
    }
    store_pack(place.gradient + at, predicted[q]);
  });
  const double total = block_sum<threads>(static_cast<double>(loss));
  if (threadIdx.x == 0) p.workspace[blockIdx.x] = total;
}

template <typename T>
__global__ void __launch_bounds__(threads)
    patch_of_any_size(const __grid_constant__ PatchLoss<T> p) {
  const Place<T> place(p);
  float sum = 0;
  for (int64_t i = threadIdx.x; i < p.values; i += threads) sum += place.target[i];
  const float mean = mean_of(sum, p.values);
  float squares = 0;
  for (int64_t i = threadIdx.x; i < p.values; i += threads) {
    squares += (place.target[i] - mean) * (place.target[i] - mean);
  }
  const float scale = deviation_to_scale(squares, p.values);
  const float factor = gradient_factor(p);
  double loss = 0;
  for (int64_t i = threadIdx.x; i < p.values; i += threads) {
    const float difference = to_float(place.predicted[i]) - (place.target[i] - mean) * scale;
    loss += difference * difference;
    store(place.gradient[i], factor * difference);
  }
  loss = block_sum<threads>(loss);
  if (threadIdx.x == 0) p.workspace[blockIdx.x] = loss;
}

__global__ void __launch_bounds__(settle_threads)
    settle(const double* sums, int64_t rows, int64_t values, float* loss) {
  const double sum = sum_of<settle_threads>(sums, rows);
  if (threadIdx.x == 0) *loss = static_cast<float>(sum / static_cast<double>(rows * values));
}

template <typename T, int pack>
__global__ void __launch_bounds__(scale_threads)
    scale_values(const __grid_constant__ ScaledGradient<T> p) {
  const float factor = *p.upstream;
  if (factor == 1) return;
  const int64_t step = int64_t{gridDim.x} * scale_threads * pack;
  for (int64_t at = (int64_t{blockIdx.x} * scale_threads + threadIdx.x) * pack; at < p.count;
       at += step) {
    auto values = load_pack<T, pack>(p.gradient + at);
    for (int i = 0; i < pack; ++i) store(values.at[i], factor * to_float(values.at[i]));
    store_pack(p.gradient + at, values);
  }
}

}  // namespace

template <typename T>
void patch_loss(const PatchLoss<T>& p, cudaStream_t stream) {
  const int64_t rows = p.samples * p.removed_patches;
  const bool fits = p.values % 4 == 0 && p.values <= 8 * 4 * threads && aligned(16, p.patches) &&
                    aligned(4 * sizeof(T), p.predicted, p.gradient);
  const auto kernel = [&] {
    if (!fits) return patch_of_any_size<T>;
    return p.values <= 2 * 4 * threads ? patch_in_registers<T, 2> : patch_in_registers<T, 8>;
  }();
  launch(kernel, grid_of(rows), threads, stream, p);
  launch(settle, grid_of(1), settle_threads, stream, p.workspace, rows, p.values, p.loss);
}

template <typename T>
void scale_gradient(const ScaledGradient<T>& p, cudaStream_t stream) {
  const bool fits = p.count % wide<T> == 0 && aligned(16, p.gradient);
  const int64_t packs = divide_up(p.count, fits ? wide<T> : 1);
  const int64_t blocks = std::min(most_scale_blocks, divide_up(packs, scale_threads));
  launch(fits ? scale_values<T, wide<T>> : scale_values<T, 1>, grid_of(blocks), scale_threads,
         stream, p);
}

template void scale_gradient(const ScaledGradient<float>&, cudaStream_t);
template void scale_gradient(const ScaledGradient<bf16>&, cudaStream_t);
template void patch_loss(const PatchLoss<float>&, cudaStream_t);
template void patch_loss(const PatchLoss<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
