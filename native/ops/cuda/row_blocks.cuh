// Rows by blocks of threads: a thread has four columns of a row, some warps a row, a block as many
// rows side by side as its threads suffice for. Each thread has several rows in a turn, which are
// all read before it waits for any.
//
// Invariant: all threads of a block take as many turns; results depend on the shape alone.
#pragma once

#include <algorithm>
#include <limits>

#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/rows.cuh"

namespace medcoss::cuda {

/// Two blocks of so many threads fit a multiprocessor, at 80 registers for each thread.
constexpr int max_threads = 384;
constexpr int max_warps = max_threads / warp_size;
constexpr int max_row_warps = 8;

/// How rows are cut into blocks. A function of the shape alone, so that results repeat on any
/// device.
struct RowCut {
  int row_threads, row_warps;
  int lanes;  // rows side by side in a block
  int blocks;
  int step;     // rows of a turn of all blocks
  float share;  // of a value in the mean over a row

  /// `each`: rows of a thread in a turn.
  RowCut(int64_t rows, int64_t width, int each) {
    row_warps = static_cast<int>(std::max(int64_t{1}, divide_up(width, quad_columns)));
    row_threads = row_warps * warp_size;
    lanes = std::max(1, max_threads / row_threads);
    // As many blocks as are at work at a time on the largest targets.
    const int64_t resident = int64_t{132} * (2 * max_threads / (lanes * row_threads));
    const int64_t rows_at_once = int64_t{lanes} * each;
    blocks = static_cast<int>(std::min(resident, divide_up(rows, rows_at_once)));
    step = blocks * lanes * each;
    share = 1 / static_cast<float>(width);
  }
};

using Quad = Pack<float, 4>;

/// Where rows fit: of their values' places 32 bits suffice, so that one instruction makes an
/// address.
constexpr bool fits_row_blocks(int64_t rows, int64_t width) {
  return fits_quads(width) && rows * width <= std::numeric_limits<int>::max();
}
__device__ inline unsigned place_of(int64_t width, int row, int column) {
  return static_cast<unsigned>(row) * static_cast<unsigned>(width) + static_cast<unsigned>(column);
}

/// Four values as they were read. The compiler would take a pack of 16-bit values apart at once,
/// and wait for it before it reads the next row.
template <typename T>
struct Raw {
  typename WordOf<4 * sizeof(T)>::type word;

  __device__ void load(const T* from) { word = *reinterpret_cast<const decltype(word)*>(from); }
  __device__ Pack<T, 4> pack() const {
    Pack<T, 4> values;
    memcpy(&values, &word, sizeof(values));
    return values;
  }
};

/// Sums of four values over the warp: lane l gets that of value l / 8.
__device__ inline float warp_sums(const float (&x)[4]) {
  const bool upper = threadIdx.x % 32 >= 16;
  const bool odd = threadIdx.x % 16 >= 8;
  const float first = (upper ? x[2] : x[0]) + __shfl_xor_sync(whole_warp, upper ? x[0] : x[2], 16);
  const float second = (upper ? x[3] : x[1]) + __shfl_xor_sync(whole_warp, upper ? x[1] : x[3], 16);
  float sum = (odd ? second : first) + __shfl_xor_sync(whole_warp, odd ? first : second, 8);
  for (int offset = 4; offset > 0; offset /= 2) sum += __shfl_xor_sync(whole_warp, sum, offset);
  return sum;
}

/// The sums over the warps of a row, in their order, of what each has left in `parts`.
__device__ inline Quad added_warps(const Quad* parts, int warps) {
  Quad total{};
#pragma unroll
  for (int i = 0; i < max_row_warps; i += 2) {
    if (i >= warps) break;
    const Quad first = parts[i];
    const Quad second = i + 1 < warps ? parts[i + 1] : Quad{};
    for (int k = 0; k < 4; ++k) total.at[k] += first.at[k] + second.at[k];
  }
  return total;
}

}  // namespace medcoss::cuda
