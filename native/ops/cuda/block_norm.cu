// LayerNorm over rows, with the residual sum that comes before it.
//
// A warp has a row. Up to a width of 1,024 the row stays in registers, so that each value crosses
// the memory bus once; other widths are read again for each of the three passes (mean, variance,
// result). The variance is that of differences from the mean, in both cases.
#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/rows.cuh"

namespace medcoss::cuda {
namespace {

// Small blocks: the last ones to run keep fewer of the others waiting.
constexpr int threads = 128;
constexpr int rows_per_block = threads / warp_size;

__device__ inline int64_t row_of_warp() {
  return int64_t{blockIdx.x} * rows_per_block + threadIdx.x / warp_size;
}

template <typename T>
__device__ inline void keep_statistics(const NormForward<T>& p, int64_t row, float mean,
                                       float rstd) {
  if (threadIdx.x % warp_size != 0) return;
  p.mean[row] = mean;
  p.rstd[row] = rstd;
}

// x + factor gamma branch, in x.
template <typename T, int quads>
__device__ inline void add_branch(const NormForward<T>& p, int64_t row, Row<float, quads>& x) {
  Row<T, quads> branch;
  load_row(p.branch + row * p.width, p.width, branch);
  const float factor = sample_factor(p.scale, row, p.rows_per_sample);
  for_quads<quads>(p.width, [&](int q, int column) {
    const auto gamma = weights_at(p.gamma, column);
    for (int i = 0; i < 4; ++i)
      x.quad[q].at[i] += factor * gamma.at[i] * to_float(branch.quad[q].at[i]);
  });
  store_row(p.x_new + row * p.width, p.width, x);
}

template <typename T, int quads>
__global__ void __launch_bounds__(threads) norm_rows(const __grid_constant__ NormForward<T> p) {
  const int64_t row = row_of_warp();
  if (row >= p.rows) return;
  Row<float, quads> x;
  load_row(p.x + row * p.width, p.width, x);
  if (p.branch != nullptr) add_branch(p, row, x);

  float sum = 0;
  for_quads<quads>(p.width, [&](int q, int) {
    for (int i = 0; i < 4; ++i) sum += x.quad[q].at[i];
  });
  const float mean = warp_sum(sum) / static_cast<float>(p.width);
  float squares = 0;
  for_quads<quads>(p.width, [&](int q, int) {
    for (int i = 0; i < 4; ++i) {
      const float difference = x.quad[q].at[i] - mean;
      squares += difference * difference;
    }
  });
  const float rstd = rsqrtf(warp_sum(squares) / static_cast<float>(p.width) + p.epsilon);
  keep_statistics(p, row, mean, rstd);

  Row<T, quads> y;
  for_quads<quads>(p.width, [&](int q, int column) {
    const auto weight = load_pack<float, 4>(p.weight + column);
    const auto bias = load_pack<float, 4>(p.bias + column);
    for (int i = 0; i < 4; ++i) {
      store(y.quad[q].at[i], (x.quad[q].at[i] - mean) * rstd * weight.at[i] + bias.at[i]);
    }
  });
  store_row(p.y + row * p.width, p.width, y);
}

// Any width and alignment.
template <typename T>
__global__ void __launch_bounds__(threads) norm_rows_any(const __grid_constant__ NormForward<T> p) {
  const int64_t row = row_of_warp();
  if (row >= p.rows) return;
  const int lane = threadIdx.x % warp_size;
  const int64_t start = row * p.width;
  const float factor = sample_factor(p.scale, row, p.rows_per_sample);
  const float* x = p.branch == nullptr ? p.x : p.x_new;

  float sum = 0;
  for (int64_t i = lane; i < p.width; i += warp_size) {
    float value = p.x[start + i];
    if (p.branch != nullptr) {
      const float gamma = p.gamma == nullptr ? 1 : p.gamma[i];
      value += factor * gamma * to_float(p.branch[start + i]);
      p.x_new[start + i] = value;
    }
    sum += value;
  }
  const float mean = warp_sum(sum) / static_cast<float>(p.width);
  float squares = 0;
  for (int64_t i = lane; i < p.width; i += warp_size) {
    const float difference = x[start + i] - mean;
    squares += difference * difference;
  }
  const float rstd = rsqrtf(warp_sum(squares) / static_cast<float>(p.width) + p.epsilon);
  keep_statistics(p, row, mean, rstd);
  for (int64_t i = lane; i < p.width; i += warp_size) {
    store(p.y[start + i], (x[start + i] - mean) * rstd * p.weight[i] + p.bias[i]);
  }
}

}  // namespace

template <typename T>
void norm_forward(const NormForward<T>& p, cudaStream_t stream) {
  const bool rows_fit = fits_quads(p.width) &&
                        aligned(16, p.x, p.x_new, p.gamma, p.weight, p.bias) &&
                        aligned(4 * sizeof(T), p.branch, p.y);
  const auto kernel = [&] {
    if (!rows_fit) return norm_rows_any<T>;
    if (p.width <= 256) return norm_rows<T, 2>;
    if (p.width <= 512) return norm_rows<T, 4>;
    return p.width <= 768 ? norm_rows<T, 6> : norm_rows<T, 8>;
  }();
  launch(kernel, grid_of(divide_up(p.rows, rows_per_block)), threads, stream, p);
}

template void norm_forward(const NormForward<float>&, cudaStream_t);
template void norm_forward(const NormForward<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
