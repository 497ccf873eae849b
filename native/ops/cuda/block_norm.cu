// LayerNorm over rows, with the residual sum that comes before it.
//
// A thread has four columns of four rows at a time (row_blocks.cuh), so that each value crosses the
// memory bus once; rows that do not fit are read again for each of the three passes (mean,
// variance, result). The variance is that of differences from the mean, in both cases.
#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/row_blocks.cuh"
#include "ops/cuda/rows.cuh"

namespace medcoss::cuda {
namespace {

constexpr int rows_in_flight = 4;
constexpr int any_threads = 128;
constexpr int any_rows = any_threads / warp_size;

// What a thread keeps of its columns.
struct Kept {
  Quad weight{}, bias{}, gamma{};
};

template <typename T, bool has_branch>
__device__ inline Kept load_kept(const NormForward<T>& p, int column) {
  Kept kept;
  kept.weight = load_pack<float, 4>(p.weight + column);
  kept.bias = load_pack<float, 4>(p.bias + column);
  if (has_branch) kept.gamma = weights_at(p.gamma, column);
  return kept;
}

// Where a thread is: its first row of a turn, the next ones `lanes` further on. The last row and
// the first column stand for those that are not there.
struct Here {
  int row, lanes, rows, column;
  bool inside;

  __device__ int row_at(int i) const { return row + i * lanes; }
  __device__ bool has(int i) const { return inside && row_at(i) < rows; }
  __device__ int safe_row(int i) const { return row_at(i) < rows ? row_at(i) : rows - 1; }
};

// x, and with a branch x + factor gamma branch, which it writes.
template <typename T, bool has_branch>
__device__ inline void load_rows(const NormForward<T>& p, const Here& here, const Kept& kept,
                                 Quad (&x)[rows_in_flight]) {
  Raw<T> raw[rows_in_flight];
#pragma unroll
  for (int i = 0; i < rows_in_flight; ++i) {
    const unsigned at = place_of(p.width, here.safe_row(i), here.column);
    x[i] = load_pack<float, 4>(p.x + at);
    if (has_branch) raw[i].load(p.branch + at);
  }
  if (!has_branch) return;
  // A lane has the factor of one row.
  const int own = static_cast<int>(threadIdx.x) % rows_in_flight;
  const float factors = sample_factor(p.scale, here.safe_row(own), p.rows_per_sample);
#pragma unroll
  for (int i = 0; i < rows_in_flight; ++i) {
    const float factor = __shfl_sync(whole_warp, factors, i);
    const Pack<T, 4> branch = raw[i].pack();
    for (int k = 0; k < 4; ++k) x[i].at[k] += factor * kept.gamma.at[k] * to_float(branch.at[k]);
    if (here.has(i)) store_pack(p.x_new + place_of(p.width, here.row_at(i), here.column), x[i]);
  }
}

// The mean over each row of what its threads bring. All threads of the block come here.
__device__ inline Quad row_means(const float (&brought)[rows_in_flight], int lane,
                                 const RowCut& cut, Quad* parts) {
  const int thread = static_cast<int>(threadIdx.x);
  const float sum = warp_sums(brought);
  if (thread % 8 == 0) parts[thread / warp_size].at[thread % warp_size / 8] = sum;
  __syncthreads();
  Quad means = added_warps(parts + lane * cut.row_warps, cut.row_warps);
  for (float& mean : means.at) mean *= cut.share;
  return means;
}

template <typename T, bool has_branch>
__global__ void __launch_bounds__(max_threads, 2)
    norm_rows(const __grid_constant__ NormForward<T> p, const __grid_constant__ RowCut cut) {
  // Each is written again only past the barrier of the other one, when all have read it.
  __shared__ Quad sums[max_warps];
  __shared__ Quad squares[max_warps];
  const int lane = static_cast<int>(threadIdx.x) / cut.row_threads;
  const int place = static_cast<int>(threadIdx.x) % cut.row_threads;
  const bool inside = 4 * place < static_cast<int>(p.width);
  Here here{0, cut.lanes, static_cast<int>(p.rows), inside ? 4 * place : 0, inside};
  const Kept kept = load_kept<T, has_branch>(p, here.column);
  here.row = static_cast<int>(blockIdx.x) * cut.lanes * rows_in_flight + lane;
  for (; here.row - lane < here.rows; here.row += cut.step) {
    Quad x[rows_in_flight];
    load_rows<T, has_branch>(p, here, kept, x);
    float brought[rows_in_flight] = {};
    for (int i = 0; i < rows_in_flight; ++i) {
      for (int k = 0; k < 4; ++k) brought[i] += inside ? x[i].at[k] : 0;
    }
    const Quad mean = row_means(brought, lane, cut, sums);
    for (int i = 0; i < rows_in_flight; ++i) {
      brought[i] = 0;
      for (int k = 0; k < 4; ++k) {
        x[i].at[k] -= mean.at[i];
        brought[i] += inside ? x[i].at[k] * x[i].at[k] : 0;
      }
    }
    const Quad variance = row_means(brought, lane, cut, squares);
    for (int i = 0; i < rows_in_flight; ++i) {
      if (!here.has(i)) break;
      const float rstd = rsqrtf(variance.at[i] + p.epsilon);
      Pack<T, 4> y;
      for (int k = 0; k < 4; ++k) {
        store(y.at[k], x[i].at[k] * rstd * kept.weight.at[k] + kept.bias.at[k]);
      }
      store_pack(p.y + place_of(p.width, here.row_at(i), here.column), y);
      if (place == 0) {
        p.mean[here.row_at(i)] = mean.at[i];
        p.rstd[here.row_at(i)] = rstd;
      }
    }
  }
}

// Any width and alignment: a warp has a row, and reads it again for each pass.
template <typename T>
__global__ void __launch_bounds__(any_threads)
    norm_rows_any(const __grid_constant__ NormForward<T> p) {
  const int64_t row = int64_t{blockIdx.x} * any_rows + threadIdx.x / warp_size;
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
  if (lane == 0) {
    p.mean[row] = mean;
    p.rstd[row] = rstd;
  }
  for (int64_t i = lane; i < p.width; i += warp_size) {
    store(p.y[start + i], (x[start + i] - mean) * rstd * p.weight[i] + p.bias[i]);
  }
}

}  // namespace

template <typename T>
void norm_forward(const NormForward<T>& p, cudaStream_t stream) {
  const bool rows_fit = fits_row_blocks(p.rows, p.width) &&
                        aligned(16, p.x, p.x_new, p.gamma, p.weight, p.bias) &&
                        aligned(4 * sizeof(T), p.branch, p.y);
  if (!rows_fit) {
    launch(norm_rows_any<T>, grid_of(divide_up(p.rows, any_rows)), any_threads, stream, p);
    return;
  }
  const RowCut cut(p.rows, p.width, rows_in_flight);
  launch(p.branch == nullptr ? norm_rows<T, false> : norm_rows<T, true>, grid_of(cut.blocks),
         cut.lanes * cut.row_threads, stream, p, cut);
}

template void norm_forward(const NormForward<float>&, cudaStream_t);
template void norm_forward(const NormForward<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
