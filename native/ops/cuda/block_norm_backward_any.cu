// Gradients of LayerNorm and of the residual sum before it, for any width and alignment.
//
// A warp has a row, and reads it again for each pass; then a thread has a column, and takes dx from
// before for the sums over rows. Shape letters: N rows, W width.
#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/rows.cuh"

namespace medcoss::cuda {
namespace {

constexpr int threads = 128;
constexpr int warps = threads / warp_size;

// dx and dbranch.
template <typename T>
__global__ void __launch_bounds__(threads)
    norm_gradients_any(const __grid_constant__ NormBackward<T> p) {
  const int64_t row = int64_t{blockIdx.x} * warps + threadIdx.x / warp_size;
  if (row >= p.rows) return;
  const int lane = threadIdx.x % warp_size;
  const int64_t start = row * p.width;
  const float mean = p.mean[row];
  const float rstd = p.rstd[row];
  float g = 0;
  float g_xhat = 0;
  for (int64_t i = lane; i < p.width; i += warp_size) {
    const float gradient = to_float(p.dy[start + i]) * p.weight[i];
    g += gradient;
    g_xhat += gradient * (p.x_new[start + i] - mean) * rstd;
  }
  g = warp_sum(g) / static_cast<float>(p.width);
  g_xhat = warp_sum(g_xhat) / static_cast<float>(p.width);
  const float factor = sample_factor(p.scale, row, p.rows_per_sample);
  for (int64_t i = lane; i < p.width; i += warp_size) {
    const float gradient = to_float(p.dy[start + i]) * p.weight[i];
    float dx = rstd * (gradient - (g + (p.x_new[start + i] - mean) * rstd * g_xhat));
    if (p.dx_new != nullptr) dx += p.dx_new[start + i];
    p.dx[start + i] = dx;
    if (p.dbranch == nullptr) continue;
    const float gamma = p.gamma == nullptr ? 1 : p.gamma[i];
    store(p.dbranch[start + i], factor * dx * gamma);
  }
}

// The sums over rows of every block of `blockIdx.y`.
template <typename T>
__global__ void __launch_bounds__(threads)
    norm_sums_any(const __grid_constant__ NormBackward<T> p, int count) {
  const int64_t column = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (column >= p.width) return;
  float dweight = 0;
  float dbias = 0;
  float branch_dbias = 0;
  float dgamma = 0;
  for (int64_t row = blockIdx.y; row < p.rows; row += gridDim.y) {
    const int64_t at = row * p.width + column;
    const float dy = to_float(p.dy[at]);
    dweight += dy * (p.x_new[at] - p.mean[row]) * p.rstd[row];
    dbias += dy;
    if (count == 2) continue;
    const float scaled = sample_factor(p.scale, row, p.rows_per_sample) * p.dx[at];
    branch_dbias += count == 4 ? scaled * p.gamma[column] : scaled;
    if (count == 4) dgamma += scaled * to_float(p.branch[at]);
  }
  float* out = p.workspace + int64_t{blockIdx.y} * count * p.width + column;
  out[0] = dweight;
  out[p.width] = dbias;
  if (count > 2) out[2 * p.width] = branch_dbias;
  if (count > 3) out[3 * p.width] = dgamma;
}

}  // namespace

template <typename T>
void norm_backward_any(const NormBackward<T>& p, int64_t blocks, cudaStream_t stream) {
  launch(norm_gradients_any<T>, grid_of(divide_up(p.rows, warps)), threads, stream, p);
  launch(norm_sums_any<T>, grid_of(divide_up(p.width, threads), blocks), threads, stream, p,
         norm_sums(p));
}

template void norm_backward_any(const NormBackward<float>&, int64_t, cudaStream_t);
template void norm_backward_any(const NormBackward<bf16>&, int64_t, cudaStream_t);

}  // namespace medcoss::cuda
