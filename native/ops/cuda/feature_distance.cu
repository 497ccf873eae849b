// Distillation: both passes read the two outputs once, and store nothing in between.
#include "ops/cuda/launch.cuh"
#include "ops/cuda/loss_kernels.h"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/reduce.cuh"

namespace medcoss::cuda {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / warp_size;
constexpr int settle_threads = 1024;
constexpr int64_t rows_per_block = 2 * warps;

__device__ inline bool counts(const bool* real, int64_t row) {
  return real == nullptr || real[row];
}

// Of a row, this lane's part. Rows of a multiple of four values, aligned, move four at a time.
template <bool quads, typename F>
__device__ inline void for_values(int64_t width, const F& f) {
  const int lane = threadIdx.x % warp_size;
  if (quads) {
#pragma unroll 4
    for (int64_t i = 4 * lane; i < width; i += 4 * warp_size) f(i);
  } else {
#pragma unroll 1
    for (int64_t i = lane; i < width; i += warp_size) f(i);
  }
}

// sums[block] and sums[blocks + block]: squares, and rows that count.
template <bool quads>
__global__ void __launch_bounds__(threads) sum_squares(const __grid_constant__ FeatureDistance p) {
  constexpr int together = quads ? 4 : 1;
  double sum = 0;
  double rows = 0;
  for (int i = 0; i < rows_per_block / warps; ++i) {
    const int64_t row = blockIdx.x * rows_per_block + i * warps + threadIdx.x / warp_size;
    if (row >= p.rows || !counts(p.real, row)) continue;
    const int64_t start = row * p.width;
    for_values<quads>(p.width, [&](int64_t at) {
      const auto student = load_pack<float, together>(p.student + start + at);
      const auto teacher = load_pack<float, together>(p.teacher + start + at);
      for (int k = 0; k < together; ++k) {
        const double difference = student.at[k] - teacher.at[k];
        sum += difference * difference;
      }
    });
    if (threadIdx.x % warp_size == 0) rows += 1;
  }
  sum = block_sum<threads>(sum);
  rows = block_sum<threads>(rows);
  if (threadIdx.x != 0) return;
  p.workspace[blockIdx.x] = sum;
  p.workspace[gridDim.x + blockIdx.x] = rows;
}

__global__ void __launch_bounds__(settle_threads)
    settle(const __grid_constant__ FeatureDistance p, int64_t blocks) {
  const double sum = sum_of<settle_threads>(p.workspace, blocks);
  const double rows = sum_of<settle_threads>(p.workspace + blocks, blocks);
  if (threadIdx.x != 0) return;
  *p.elements = rows * static_cast<double>(p.width);
  *p.loss = static_cast<float>(sum / *p.elements);
}

template <bool quads>
__global__ void __launch_bounds__(threads)
    scale_differences(const __grid_constant__ FeatureDistanceBackward p) {
  constexpr int together = quads ? 4 : 1;
  const float factor = static_cast<float>(2 * *p.upstream / *p.elements);
  for (int i = 0; i < rows_per_block / warps; ++i) {
    const int64_t row = blockIdx.x * rows_per_block + i * warps + threadIdx.x / warp_size;
    if (row >= p.rows) return;
    const bool real = counts(p.real, row);
    const int64_t start = row * p.width;
    for_values<quads>(p.width, [&](int64_t at) {
      Pack<float, together> result{};
      if (real) {
        const auto student = load_pack<float, together>(p.student + start + at);
        const auto teacher = load_pack<float, together>(p.teacher + start + at);
        for (int k = 0; k < together; ++k) {
          result.at[k] = factor * (student.at[k] - teacher.at[k]);
        }
      }
      store_pack(p.gradient + start + at, result);
    });
  }
}

}  // namespace

int64_t feature_distance_workspace(int64_t rows) {
  return 2 * divide_up(rows, rows_per_block);
}

void feature_distance(const FeatureDistance& p, cudaStream_t stream) {
  const int64_t blocks = divide_up(p.rows, rows_per_block);
  const bool quads = p.width % 4 == 0 && aligned(16, p.student, p.teacher);
  launch(quads ? sum_squares<true> : sum_squares<false>, grid_of(blocks), threads, stream, p);
  launch(settle, grid_of(1), settle_threads, stream, p, blocks);
}

void feature_distance_backward(const FeatureDistanceBackward& p, cudaStream_t stream) {
  const int64_t blocks = divide_up(p.rows, rows_per_block);
  const bool quads = p.width % 4 == 0 && aligned(16, p.student, p.teacher, p.gradient);
  launch(quads ? scale_differences<true> : scale_differences<false>, grid_of(blocks), threads,
         stream, p);
}

}  // namespace medcoss::cuda
