// Gradients of LayerNorm and of the residual sum before it.
//
// Warps walk over the rows with a fixed stride, and hold in registers the sums over their rows of
// the columns that they own; those of a block are added in shared memory, those of all blocks by a
// second kernel. Shape letters: N rows, W width.
#include <algorithm>

#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/rows.cuh"

namespace medcoss::cuda {
namespace {

constexpr int threads = 128;
constexpr int warps = threads / warp_size;
// Two for each multiprocessor of the largest targets; fixed, so that results do not depend on the
// device.
constexpr int64_t max_blocks = 264;

int64_t block_count(int64_t rows) {
  return std::min(max_blocks, divide_up(rows, warps));
}

template <int quads>
struct Sums {
  Row<float, quads> dweight{}, dbias{}, dgamma{};
};

// The gradient that reaches x through LN: rstd (g - (mean of g + xhat mean of g xhat)).
struct Through {
  float mean, rstd, g, g_xhat;

  __device__ float operator()(float x, float gradient) const {
    return rstd * (gradient - (g + (x - mean) * rstd * g_xhat));
  }
};

template <typename T, int quads>
__device__ inline Through add_weight_sums(const NormBackward<T>& p, int64_t row,
                                          const Row<float, quads>& x, const Row<T, quads>& dy,
                                          Sums<quads>& sums) {
  Through through{p.mean[row], p.rstd[row], 0, 0};
  for_quads<quads>(p.width, [&](int q, int column) {
    const auto weight = load_pack<float, 4>(p.weight + column);
    for (int i = 0; i < 4; ++i) {
      const float xhat = (x.quad[q].at[i] - through.mean) * through.rstd;
      const float gradient = to_float(dy.quad[q].at[i]);
      sums.dweight.quad[q].at[i] += gradient * xhat;
      sums.dbias.quad[q].at[i] += gradient;
      through.g += gradient * weight.at[i];
      through.g_xhat += gradient * weight.at[i] * xhat;
    }
  });
  through.g = warp_sum(through.g) / static_cast<float>(p.width);
  through.g_xhat = warp_sum(through.g_xhat) / static_cast<float>(p.width);
  return through;
}

// What a lane reads of a row beside x and dy.
template <typename T>
struct Rest {
  Pack<float, 4> dx_new;
  Pack<T, 4> branch;
};

template <typename T, bool has_branch>
__device__ inline Rest<T> load_rest(const NormBackward<T>& p, int64_t at) {
  Rest<T> rest{};
  if (p.dx_new != nullptr) rest.dx_new = load_pack<float, 4>(p.dx_new + at);
  if (has_branch) rest.branch = load_pack<T, 4>(p.branch + at);
  return rest;
}

// Writes dx and dbranch of four columns; adds to dgamma.
template <typename T, bool has_branch>
__device__ inline void write_gradients(const NormBackward<T>& p, int64_t start, int column,
                                       float factor, Pack<float, 4> dx, Rest<T> rest,
                                       Pack<float, 4>& dgamma) {
  for (int i = 0; i < 4; ++i) dx.at[i] += rest.dx_new.at[i];
  store_pack(p.dx + start + column, dx);
  if (!has_branch) return;
  const auto gamma = weights_at(p.gamma, column);
  for (int i = 0; i < 4; ++i) {
    const float scaled = factor * dx.at[i];
    dgamma.at[i] += scaled * to_float(rest.branch.at[i]);
    store(rest.branch.at[i], scaled * gamma.at[i]);
  }
  store_pack(p.dbranch + start + column, rest.branch);
}

// Adds the warps' sums in their order. All threads of the block come here.
template <int quads>
__device__ inline void reduce_block(const Row<float, quads>& sums, int width, float* out) {
  alignas(16) __shared__ float parts[warps][quads * quad_columns];
  float* part = parts[threadIdx.x / warp_size];
  for_quads<quads>(width, [&](int q, int column) {
    for (int i = 0; i < 4; ++i) part[column + i] = sums.quad[q].at[i];
  });
  __syncthreads();
  for (int column = threadIdx.x; column < width; column += threads) {
    float sum = 0;
    for (int warp = 0; warp < warps; ++warp) sum += parts[warp][column];
    out[column] = sum;
  }
  __syncthreads();
}

template <typename T, int quads, bool has_branch>
__global__ void __launch_bounds__(threads)
    norm_gradients(const __grid_constant__ NormBackward<T> p) {
  // The rest is in flight during the reductions where registers suffice for it.
  constexpr bool early = quads < 8;
  Sums<quads> sums;
  const int64_t first = int64_t{blockIdx.x} * warps + threadIdx.x / warp_size;
  for (int64_t row = first; row < p.rows; row += int64_t{gridDim.x} * warps) {
    const int64_t start = row * p.width;
    Row<float, quads> x;
    Row<T, quads> dy;
    Rest<T> rest[quads];
    load_row(p.x_new + start, p.width, x);
    load_row(p.dy + start, p.width, dy);
    for_quads<quads>(p.width, [&](int q, int column) {
      if (early) rest[q] = load_rest<T, has_branch>(p, start + column);
    });
    const Through through = add_weight_sums(p, row, x, dy, sums);
    const float factor = has_branch ? sample_factor(p.scale, row, p.rows_per_sample) : 1;
    for_quads<quads>(p.width, [&](int q, int column) {
      if (!early) rest[q] = load_rest<T, has_branch>(p, start + column);
      const auto weight = load_pack<float, 4>(p.weight + column);
      Pack<float, 4> dx;
      for (int i = 0; i < 4; ++i) {
        dx.at[i] = through(x.quad[q].at[i], to_float(dy.quad[q].at[i]) * weight.at[i]);
      }
      write_gradients<T, has_branch>(p, start, column, factor, dx, rest[q], sums.dgamma.quad[q]);
    });
  }
  const int width = static_cast<int>(p.width);
  float* out = p.workspace + blockIdx.x * (has_branch ? 3 : 2) * p.width;
  reduce_block(sums.dweight, width, out);
  reduce_block(sums.dbias, width, out + width);
  if (has_branch) reduce_block(sums.dgamma, width, out + 2 * width);
}

// dx and dbranch for any width and alignment.
template <typename T>
__global__ void __launch_bounds__(threads)
    norm_gradients_any(const __grid_constant__ NormBackward<T> p) {
  const int64_t row = int64_t{blockIdx.x} * warps + threadIdx.x / warp_size;
  if (row >= p.rows) return;
  const int lane = threadIdx.x % warp_size;
  const int64_t start = row * p.width;
  Through through{p.mean[row], p.rstd[row], 0, 0};
  for (int64_t i = lane; i < p.width; i += warp_size) {
    const float gradient = to_float(p.dy[start + i]) * p.weight[i];
    through.g += gradient;
    through.g_xhat += gradient * (p.x_new[start + i] - through.mean) * through.rstd;
  }
  through.g = warp_sum(through.g) / static_cast<float>(p.width);
  through.g_xhat = warp_sum(through.g_xhat) / static_cast<float>(p.width);
  const float factor = sample_factor(p.scale, row, p.rows_per_sample);
  for (int64_t i = lane; i < p.width; i += warp_size) {
    float dx = through(p.x_new[start + i], to_float(p.dy[start + i]) * p.weight[i]);
    if (p.dx_new != nullptr) dx += p.dx_new[start + i];
    p.dx[start + i] = dx;
    if (p.branch == nullptr) continue;
    const float gamma = p.gamma == nullptr ? 1 : p.gamma[i];
    store(p.dbranch[start + i], factor * dx * gamma);
  }
}

// The sums over rows beside it, which takes dx from it: a thread has a column.
template <typename T>
__global__ void __launch_bounds__(threads)
    norm_sums_any(const __grid_constant__ NormBackward<T> p) {
  const int64_t column = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (column >= p.width) return;
  float dweight = 0;
  float dbias = 0;
  float dgamma = 0;
  for (int64_t row = blockIdx.y; row < p.rows; row += gridDim.y) {
    const int64_t at = row * p.width + column;
    const float dy = to_float(p.dy[at]);
    dweight += dy * (p.x_new[at] - p.mean[row]) * p.rstd[row];
    dbias += dy;
    if (p.branch == nullptr) continue;
    const float factor = sample_factor(p.scale, row, p.rows_per_sample);
    dgamma += factor * p.dx[at] * to_float(p.branch[at]);
  }
  const int sums = p.branch == nullptr ? 2 : 3;
  float* out = p.workspace + blockIdx.y * sums * p.width + column;
  out[0] = dweight;
  out[p.width] = dbias;
  if (p.branch != nullptr) out[2 * p.width] = dgamma;
}

template <typename T, bool has_branch>
auto kernel_for(int64_t width) {
  if (width <= 256) return norm_gradients<T, 2, has_branch>;
  if (width <= 512) return norm_gradients<T, 4, has_branch>;
  return width <= 768 ? norm_gradients<T, 6, has_branch> : norm_gradients<T, 8, has_branch>;
}

}  // namespace

int64_t norm_workspace(int64_t rows, int64_t width) {
  return block_count(rows) * 3 * width;
}

template <typename T>
void norm_backward(const NormBackward<T>& p, cudaStream_t stream) {
  const int64_t blocks = block_count(p.rows);
  const bool has_branch = p.branch != nullptr;
  const bool rows_fit = fits_quads(p.width) &&
                        aligned(16, p.dx_new, p.x_new, p.weight, p.gamma, p.dx) &&
                        aligned(4 * sizeof(T), p.dy, p.branch, p.dbranch);
  if (rows_fit) {
    const auto kernel = has_branch ? kernel_for<T, true>(p.width) : kernel_for<T, false>(p.width);
    launch(kernel, grid_of(blocks), threads, stream, p);
  } else {
    launch(norm_gradients_any<T>, grid_of(divide_up(p.rows, warps)), threads, stream, p);
    launch(norm_sums_any<T>, grid_of(divide_up(p.width, threads), blocks), threads, stream, p);
  }
  sum_parts(p.workspace, blocks, (has_branch ? 3 : 2) * p.width, p.sums, stream);
}

template void norm_backward(const NormBackward<float>&, cudaStream_t);
template void norm_backward(const NormBackward<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
