// Elementwise work on rows [N,W] with a value per column, and sums over the rows, as one kernel.
//
// A thread owns `width` neighbouring columns, 16 bytes of them where alignment allows it, and walks
// down a block of rows beside seven others; four rows are in flight. Shape letters: N rows, W
// width.
#pragma once

#include <algorithm>

#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"

namespace medcoss::cuda {

constexpr int column_lanes = warp_size;
constexpr int row_lanes = 8;
constexpr int column_threads = column_lanes * row_lanes;
constexpr int rows_in_flight = 4;

/// How rows are cut into blocks. A function of the shape alone, so that sums repeat on any device.
struct RowBlocks {
  int64_t tiles, rows_per_block, blocks;

  RowBlocks(int64_t rows, int64_t width, int columns_per_thread) {
    // Eight blocks for each multiprocessor of the largest targets.
    constexpr int64_t wanted = 8 * 132;
    constexpr int64_t least = row_lanes * rows_in_flight;
    tiles = divide_up(width, column_lanes * columns_per_thread);
    rows_per_block = std::max(least, divide_up(rows, divide_up(wanted, tiles)));
    blocks = divide_up(rows, rows_per_block);
  }
};

/// Sums of the block's eight row lanes, in their order, to out[columns]. All threads come here.
template <int columns>
__device__ inline void reduce_rows(const Pack<float, columns>& sums, int64_t width, float* out) {
  alignas(16) __shared__ float parts[row_lanes][column_lanes * columns];
  const int lane = threadIdx.x % column_lanes;
  for (int i = 0; i < columns; ++i) {
    parts[threadIdx.x / column_lanes][lane * columns + i] = sums.at[i];
  }
  __syncthreads();
  const int64_t first = int64_t{blockIdx.x} * column_lanes * columns;
  for (int i = threadIdx.x; i < column_lanes * columns; i += column_threads) {
    if (first + i >= width) break;
    float sum = 0;
    for (int row = 0; row < row_lanes; ++row) sum += parts[row][i];
    out[first + i] = sum;
  }
}

/// Has `value` read, as it is in memory, before what follows. The compiler moves reads to where
/// values are used first, and takes packs of 16-bit values apart, for which it waits, on arrival.
template <typename Value>
__device__ inline void hold(Value& value) {
  if constexpr (sizeof(Value) % sizeof(uint32_t) == 0) {
    uint32_t words[sizeof(Value) / sizeof(uint32_t)];
    memcpy(words, &value, sizeof(Value));
    for (uint32_t& word : words) asm volatile("" : "+r"(word));
    memcpy(&value, words, sizeof(Value));
  }
}

/// What every operation has. `weights` [W] are read once for each thread; none: ones. `partial`:
/// where sums go, [blocks,sums,W]; none: there are no sums.
struct Walk {
  /// How many sums each column has.
  static constexpr int sums = 1;
  int64_t rows, width, rows_per_block;
  const float* weights;
  float* partial;
};

/// `Op` is a Walk with a type `Input`, what is read at a place; `load(at)`; and
/// `apply(input, at, row, weights, sums)`, where `at` is the place's flat index and `sums` an
/// array.
template <int columns, typename Op>
__global__ void __launch_bounds__(column_threads, columns > 4 ? 3 : 1)
    walk_columns(const __grid_constant__ Op op) {
  const int64_t column =
      (int64_t{blockIdx.x} * column_lanes + threadIdx.x % column_lanes) * columns;
  const int64_t begin = blockIdx.y * op.rows_per_block;
  const int64_t end = begin + op.rows_per_block < op.rows ? begin + op.rows_per_block : op.rows;
  Pack<float, columns> sums[Op::sums]{};
  if (column < op.width) {
    Pack<float, columns> weights;
    for (int i = 0; i < columns; ++i) {
      weights.at[i] = op.weights == nullptr ? 1 : op.weights[column + i];
    }
    for (int64_t row = begin + threadIdx.x / column_lanes; row < end;
         row += rows_in_flight * row_lanes) {
      typename Op::Input input[rows_in_flight];
      // All are read before any is waited for: behind the end the last row again, since a condition
      // around a read would part it from the others.
#pragma unroll
      for (int i = 0; i < rows_in_flight; ++i) {
        const int64_t here = row + i * row_lanes;
        input[i] = op.load((here < end ? here : end - 1) * op.width + column);
      }
#pragma unroll
      for (int i = 0; i < rows_in_flight; ++i) hold(input[i]);
#pragma unroll
      for (int i = 0; i < rows_in_flight; ++i) {
        const int64_t here = row + i * row_lanes;
        if (here < end) op.apply(input[i], here * op.width + column, here, weights, sums);
      }
    }
  }
  if (op.partial == nullptr) return;
  float* out = op.partial + int64_t{blockIdx.y} * Op::sums * op.width;
#pragma unroll
  for (int i = 0; i < Op::sums; ++i) {
    if (i > 0) __syncthreads();  // all have read the last
    reduce_rows(sums[i], op.width, out + i * op.width);
  }
}

/// The workspace that `walk` needs for one sum of each column, in values.
inline int64_t walk_workspace(int64_t rows, int64_t width) {
  const auto blocks = [&](int columns) { return RowBlocks(rows, width, columns).blocks; };
  return std::max({blocks(1), blocks(4), blocks(8)}) * width;
}

/// A shape with the operands that every operation has; `sums` [sums,W] or none.
struct Columns {
  int64_t rows, width;
  const float* weights;
  float* workspace;
  float* sums;
};

template <typename Op, int columns, typename... Members>
void walk_by(const Columns& c, cudaStream_t stream, Members... members) {
  const RowBlocks cut(c.rows, c.width, columns);
  float* partial = c.sums == nullptr ? nullptr : c.workspace;
  const Op op{{c.rows, c.width, cut.rows_per_block, c.weights, partial}, members...};
  launch(walk_columns<columns, Op>, grid_of(cut.tiles, cut.blocks), column_threads, stream, op);
  if (c.sums != nullptr) sum_parts(c.workspace, cut.blocks, Op::sums * c.width, c.sums, stream);
}

/// Runs `Op<T, columns>` where `fits`, else column by column; `members` are those beyond Walk.
template <template <typename, int> class Op, typename T, int columns, typename... Members>
void walk(bool fits, const Columns& c, cudaStream_t stream, Members... members) {
  if (fits && c.width % columns == 0)
    walk_by<Op<T, columns>, columns>(c, stream, members...);
  else
    walk_by<Op<T, 1>, 1>(c, stream, members...);
}

}  // namespace medcoss::cuda
