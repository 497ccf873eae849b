// Gradients of LayerNorm and of the residual sum before it.
//
// A thread has four columns and walks over rows, two at a time, whose sums it keeps in registers
// (row_blocks.cuh). What means over both rows need is added up past one barrier; the blocks' sums
// over rows, by a second kernel. Shape letters: N rows, W width.
#include <algorithm>

#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/row_blocks.cuh"
#include "ops/cuda/rows.cuh"

namespace medcoss::cuda {
namespace {

constexpr int rows_in_flight = 2;

enum class Branch { none, plain, with_gamma };

// dweight and dbias; dbias of the branch; dgamma.
template <Branch kind>
constexpr int sums_of = kind == Branch::none    ? 2
                        : kind == Branch::plain ? 3
                                                : 4;

// What a thread has of a row.
template <typename T>
struct Values {
  Quad x, dx_new;
  Raw<T> dy, branch;
  float mean, rstd;
};

// Where there is no such row, the last one with a gradient of zeros, which adds nothing to sums: a
// branch would keep the compiler from reading two rows at once.
template <typename T, Branch kind>
__device__ inline Values<T> load_values(const NormBackward<T>& p, int row, int column) {
  const bool there = row < static_cast<int>(p.rows);
  if (!there) row = static_cast<int>(p.rows) - 1;
  const unsigned at = place_of(p.width, row, column);
  Values<T> v{};
  v.dy.load(p.dy + at);
  v.x = load_pack<float, 4>(p.x_new + at);
  v.mean = p.mean[row];
  v.rstd = p.rstd[row];
  if (p.dx_new != nullptr) v.dx_new = load_pack<float, 4>(p.dx_new + at);
  if (kind == Branch::with_gamma) v.branch.load(p.branch + at);
  if (!there) v.dy = {};
  return v;
}

// What a thread keeps of its columns.
template <Branch kind>
struct Kept {
  Quad weight{}, sums[sums_of<kind>]{};
};

// The gradient that reaches x through LN: rstd (g - (mean of g + xhat mean of g xhat)).
__device__ inline float through(float rstd, float gradient, float g, float xhat, float g_xhat) {
  return rstd * (gradient - (g + xhat * g_xhat));
}

// Puts xhat in the place of x; adds to the sums over rows, and to those of g and g xhat over the
// row.
template <typename T, Branch kind>
__device__ inline void add_weight_sums(Values<T>& v, Kept<kind>& kept, float& g, float& g_xhat) {
  const Pack<T, 4> gradient = v.dy.pack();
  for (int i = 0; i < 4; ++i) {
    const float xhat = (v.x.at[i] - v.mean) * v.rstd;
    const float dy = to_float(gradient.at[i]);
    kept.sums[0].at[i] += dy * xhat;
    kept.sums[1].at[i] += dy;
    g += dy * kept.weight.at[i];
    g_xhat += dy * kept.weight.at[i] * xhat;
    v.x.at[i] = xhat;
  }
}

// Writes dx and dbranch of four columns; adds to the branch's sums.
template <typename T, Branch kind>
__device__ inline void write_gradients(const NormBackward<T>& p, unsigned at, const Values<T>& v,
                                       float g, float g_xhat, float factor, const Quad* gamma,
                                       Kept<kind>& kept) {
  const Pack<T, 4> dy = v.dy.pack();
  Quad dx;
  for (int i = 0; i < 4; ++i) {
    const float gradient = to_float(dy.at[i]) * kept.weight.at[i];
    dx.at[i] = through(v.rstd, gradient, g, v.x.at[i], g_xhat) + v.dx_new.at[i];
  }
  store_pack(p.dx + at, dx);
  if (kind == Branch::none) return;
  Pack<T, 4> branch{};
  if (kind == Branch::with_gamma) branch = v.branch.pack();
  for (int i = 0; i < 4; ++i) {
    float dbranch = factor * dx.at[i];
    if constexpr (kind == Branch::with_gamma) {
      kept.sums[3].at[i] += dbranch * to_float(branch.at[i]);
      dbranch *= gamma->at[i];
    }
    if constexpr (kind != Branch::none) kept.sums[2].at[i] += dbranch;
    store(branch.at[i], dbranch);
  }
  store_pack(p.dbranch + at, branch);
}

// Adds the sums of the block's lanes in their order. All threads of the block come here.
template <int count>
__device__ inline void reduce_block(const Quad (&sums)[count], int row_threads, int64_t width,
                                    float* out) {
  __shared__ Quad parts[count][max_threads];
  for (int i = 0; i < count; ++i) parts[i][threadIdx.x] = sums[i];
  __syncthreads();
  const int threads = static_cast<int>(blockDim.x);
  const int place = static_cast<int>(threadIdx.x) % row_threads;
  if (4 * place >= width) return;
  // The lanes have the sums in turn.
  for (int i = static_cast<int>(threadIdx.x) / row_threads; i < count; i += threads / row_threads) {
    Quad total = parts[i][place];
    for (int from = place + row_threads; from < threads; from += row_threads) {
      for (int k = 0; k < 4; ++k) total.at[k] += parts[i][from].at[k];
    }
    store_pack(out + i * width + 4 * place, total);
  }
}

// What threads tell each other of the rows in flight.
struct Exchange {
  Quad sums[max_warps];  // of g and g xhat, of the first row and the second
  float factor[max_warps][rows_in_flight];
};

template <typename T, Branch kind>
__global__ void __launch_bounds__(max_threads, 2)
    norm_gradients(const __grid_constant__ NormBackward<T> p, const __grid_constant__ RowCut cut) {
  // Two, since a warp may reach the next rows before others have read what there is of these.
  __shared__ Exchange exchange[2];
  __shared__ Quad gamma[max_row_warps * warp_size];
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread / cut.row_threads;
  const int place = thread % cut.row_threads;
  const int rows = static_cast<int>(p.rows);
  const bool inside = 4 * place < static_cast<int>(p.width);
  // Threads behind the last column read the first ones with weights of zero, and write nothing.
  const int column = inside ? 4 * place : 0;
  Kept<kind> kept;
  if (inside) kept.weight = load_pack<float, 4>(p.weight + column);
  if (kind == Branch::with_gamma && lane == 0 && inside)
    gamma[place] = load_pack<float, 4>(p.gamma + column);
  int turn = 0;
  // All threads of a block come as far as its first row does.
  for (int row = static_cast<int>(blockIdx.x) * cut.lanes * rows_in_flight + lane;
       row - lane < rows; row += cut.step) {
    Values<T> v[] = {load_values<T, kind>(p, row, column),
                     load_values<T, kind>(p, row + cut.lanes, column)};
    Exchange& here = exchange[turn];
    if (kind != Branch::none && place < rows_in_flight) {
      const int of = row + place * cut.lanes;
      here.factor[lane][place] = of < rows ? sample_factor(p.scale, of, p.rows_per_sample) : 0;
    }
    float over_row[4] = {};
    for (int i = 0; i < rows_in_flight; ++i) {
      add_weight_sums<T>(v[i], kept, over_row[2 * i], over_row[2 * i + 1]);
    }
    const float sum = warp_sums(over_row);
    if (thread % 8 == 0) here.sums[thread / warp_size].at[thread % warp_size / 8] = sum;
    __syncthreads();
    const Quad sums = added_warps(here.sums + lane * cut.row_warps, cut.row_warps);
    for (int i = 0; i < rows_in_flight; ++i) {
      const int of = row + i * cut.lanes;
      if (of >= rows || !inside) break;
      write_gradients<T>(p, place_of(p.width, of, column), v[i], cut.share * sums.at[2 * i],
                         cut.share * sums.at[2 * i + 1], here.factor[lane][i], gamma + place, kept);
    }
    turn ^= 1;
  }
  float* out = p.workspace + int64_t{blockIdx.x} * sums_of<kind> * p.width;
  reduce_block(kept.sums, cut.row_threads, p.width, out);
}

// Blocks of rows where rows do not fit.
int64_t any_blocks(int64_t rows) {
  return std::min(int64_t{264}, divide_up(rows, 4));
}

}  // namespace

int64_t norm_workspace(int64_t rows, int64_t width) {
  const int64_t blocks = fits_quads(width) ? RowCut(rows, width, rows_in_flight).blocks : 0;
  return std::max(blocks, any_blocks(rows)) * 4 * width;
}

template <typename T>
void norm_backward(const NormBackward<T>& p, cudaStream_t stream) {
  const int count = norm_sums(p);
  const bool rows_fit = fits_row_blocks(p.rows, p.width) &&
                        aligned(16, p.dx_new, p.x_new, p.weight, p.gamma, p.dx, p.workspace) &&
                        aligned(4 * sizeof(T), p.dy, p.branch, p.dbranch);
  int64_t blocks = any_blocks(p.rows);
  if (rows_fit) {
    const RowCut cut(p.rows, p.width, rows_in_flight);
    blocks = cut.blocks;
    const auto kernel = count == 2   ? norm_gradients<T, Branch::none>
                        : count == 3 ? norm_gradients<T, Branch::plain>
                                     : norm_gradients<T, Branch::with_gamma>;
    launch(kernel, grid_of(blocks), cut.lanes * cut.row_threads, stream, p, cut);
  } else {
    norm_backward_any(p, blocks, stream);
  }
  sum_parts(p.workspace, blocks, count * p.width, p.sums, stream);
}

template void norm_backward(const NormBackward<float>&, cudaStream_t);
template void norm_backward(const NormBackward<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
