// What the attention kernels share: rows of a head in shared memory and their products.
//
// Tiles are 16 rows. A product's operands are those of mma.m16n8k16: of its 16 x 8 sums a lane has
// columns 2 c and 2 c + 1 (c = lane % 4) of rows g and g + 8 (g = lane / 4).
// Invariant: any eight rows that a load of matrices reads together lie in different banks.
#pragma once

#include "ops/cuda/attention_device.cuh"
#include "ops/cuda/attention_kernels.h"
#include "ops/cuda/numbers.cuh"

namespace medcoss::cuda {

constexpr int tile_rows = 16;
constexpr int attention_threads = attention_warps * 32;
constexpr float log2_e = 1.4426950408889634F;
/// 1 / sqrt(width), of scores.
template <int width>
constexpr float score_scale = width == attention_width ? 0.17677669529663687F : 0.125F;

/// The head of a sequence that a block has, and where the sequence's rows are among all.
struct HeadPlace {
  int sequence, head, first_query, queries, first_key, keys;

  __device__ explicit HeadPlace(const AttentionShape& shape)
      : sequence(static_cast<int>(blockIdx.y)), head(static_cast<int>(blockIdx.x)) {
    find(shape.queries, first_query, queries);
    find(shape.keys, first_key, keys);
  }

 private:
  __device__ void find(const SequenceRows& rows, int& first, int& count) const {
    first = rows.starts != nullptr ? rows.starts[sequence] : sequence * rows.longest;
    count = rows.starts != nullptr ? rows.starts[sequence + 1] - first : rows.longest;
  }
};

/// What a thread has of rows that a block goes through together: 16 bytes of every `rows_apart`-th.
template <int width>
struct ThreadChunk {
  static constexpr unsigned chunks = width / 8;
  static constexpr int rows_apart = attention_threads / chunks;
  int row, column;

  __device__ ThreadChunk()
      : row(static_cast<int>(threadIdx.x / chunks)),
        column(static_cast<int>(threadIdx.x % chunks * 8)) {}
};

__device__ inline int lane_of_warp() {
  return static_cast<int>(threadIdx.x % 32);
}
__device__ inline int warp_of_block() {
  return static_cast<int>(threadIdx.x / 32);
}

/// Rows of one head in shared memory, of `parts` matrices side by side; zeros behind the last.
template <int width, int parts>
class SharedRows {
 public:
  static constexpr int row_bytes = attention_row_bytes(width, parts);

  __device__ explicit SharedRows(SharedAddress first) : first_(first) {
    const int lane = lane_of_warp();
    along_ = first + (lane & 15) * row_bytes + (lane >> 4) * 16;
    across_ = first + ((lane & 7) + (lane >> 4) * 8) * row_bytes + (lane >> 3 & 1) * 16;
  }

  /// Starts this thread's part of the copy of `count` rows.
  __device__ void copy(int part, const bf16* from, int64_t stride, int count) const {
    const ThreadChunk<width> own;
    const bf16* next = from + own.row * stride + own.column;
    const int all = attention_rows(width, count);
#pragma unroll 4
    for (int row = own.row; row < all; row += own.rows_apart) {
      const bool copied = row < count;
      copy_or_clear_async(first_ + row * row_bytes + (part * width + own.column) * 2,
                          copied ? next : from, copied);
      next += own.rows_apart * stride;
    }
  }

  /// The rows of a tile as the first operand; columns 16 step to 16 step + 15.
  __device__ void load_rows(uint32_t (&out)[4], int part, int tile, int step) const {
    load_matrices(out, at(along_, part, tile, step));
  }
  /// The transpose of the same as the second operand, for two products.
  __device__ void load_columns(uint32_t (&out)[4], int part, int tile, int step) const {
    load_matrices(out, at(across_, part, tile, step));
  }
  /// The same as the second operand, for two products.
  __device__ void load_values(uint32_t (&out)[4], int part, int tile, int step) const {
    load_transposed_matrices(out, at(along_, part, tile, step));
  }

 private:
  __device__ static SharedAddress at(SharedAddress lane, int part, int tile, int step) {
    return lane + tile * (tile_rows * row_bytes) + part * width * 2 + step * 32;
  }

  SharedAddress first_, along_, across_;
};

/// Tiles of rows as first operands.
template <int width, int strips>
struct Operand {
  static constexpr int steps = width / 16;
  uint32_t at[strips][steps][4];

  template <int parts>
  __device__ __forceinline__ void load(const SharedRows<width, parts>& rows, int part, int strip) {
#pragma unroll
    for (int i = 0; i < strips; ++i) {
#pragma unroll
      for (int step = 0; step < steps; ++step)
        rows.load_rows(at[i][step], part, strip * strips + i, step);
    }
  }

  /// sums += this times the transpose of a tile of `rows`.
  template <int parts>
  __device__ __forceinline__ void add_products(const SharedRows<width, parts>& rows, int part,
                                               int tile, float (&sums)[strips][2][4]) const {
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      uint32_t other[4];
      rows.load_columns(other, part, tile, step);
#pragma unroll
      for (int i = 0; i < strips; ++i) {
        multiply_add_bf16(sums[i][0], at[i][step], other[0], other[1]);
        multiply_add_bf16(sums[i][1], at[i][step], other[2], other[3]);
      }
    }
  }
};

/// Sets what a product has in all columns but the first `count`.
template <int strips>
__device__ __forceinline__ void hide_columns(float (&sums)[strips][2][4], int count, float value) {
  const int column = lane_of_warp() % 4 * 2;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    if (column + k / 4 * 8 + k % 2 < count) continue;
#pragma unroll
    for (int i = 0; i < strips; ++i) sums[i][k / 4][k % 4] = value;
  }
}

/// Sums of rows, [16 strips, width].
template <int width, int strips>
struct RowSums {
  float at[strips][width / 8][4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < strips; ++i) {
#pragma unroll
      for (int j = 0; j < width / 8; ++j) at[i][j][0] = at[i][j][1] = at[i][j][2] = at[i][j][3] = 0;
    }
  }

  /// Adds `weights` times a tile of `rows`; weights are the sums of a product.
  template <int parts>
  __device__ __forceinline__ void add_weighted(const float (&weights)[strips][2][4],
                                               const SharedRows<width, parts>& rows, int part,
                                               int tile) {
    uint32_t first[strips][4];
#pragma unroll
    for (int i = 0; i < strips; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k)
        first[i][k] = pack_bf16(weights[i][k / 2][k % 2 * 2], weights[i][k / 2][k % 2 * 2 + 1]);
    }
#pragma unroll
    for (int step = 0; step < width / 16; ++step) {
      uint32_t other[4];
      rows.load_values(other, part, tile, step);
#pragma unroll
      for (int i = 0; i < strips; ++i) {
        multiply_add_bf16(at[i][step * 2], first[i], other[0], other[1]);
        multiply_add_bf16(at[i][step * 2 + 1], first[i], other[2], other[3]);
      }
    }
  }

  /// Clears all rows but the first `count`.
  __device__ __forceinline__ void clear_behind(int count) {
    if (count >= strips * tile_rows) return;
#pragma unroll
    for (int i = 0; i < strips * 2; ++i) {
      if (i * 8 + lane_of_warp() / 4 < count) continue;
#pragma unroll
      for (int j = 0; j < width / 8; ++j) at[i / 2][j][i % 2 * 2] = at[i / 2][j][i % 2 * 2 + 1] = 0;
    }
  }

  /// Multiplies rows 8 half + g of strip i.
  __device__ __forceinline__ void scale(int i, int half, float factor) {
#pragma unroll
    for (int j = 0; j < width / 8; ++j) {
      at[i][j][half * 2] *= factor;
      at[i][j][half * 2 + 1] *= factor;
    }
  }
};

/// Blocks of a launch: one for each head of each sequence.
inline dim3 blocks_of(const AttentionShape& shape) {
  return dim3(static_cast<unsigned>(shape.heads), static_cast<unsigned>(shape.sequences));
}

/// Four lanes side by side exchange words: the i-th of lane c becomes the c-th of lane i.
__device__ __forceinline__ void transpose_words(uint32_t (&words)[4]) {
#pragma unroll
  for (int step = 1; step < 4; step *= 2) {
    const bool upper = (threadIdx.x & static_cast<unsigned>(step)) != 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if ((i & step) != 0) continue;
      const uint32_t other = __shfl_xor_sync(whole_warp, upper ? words[i] : words[i | step], step);
      words[i] = upper ? other : words[i];
      words[i | step] = upper ? words[i | step] : other;
    }
  }
}

/// Writes the rows that are among the first `count`; `to` is the head's first row.
template <int width, int strips>
__device__ __forceinline__ void store_rows(const RowSums<width, strips>& sums, int first_row,
                                           int count, bf16* to, int64_t stride) {
  const int lane = lane_of_warp();
#pragma unroll
  for (int i = 0; i < strips * 2; ++i) {
    const int row = first_row + i * 8 + lane / 4;
#pragma unroll
    for (int part = 0; part < width / 32; ++part) {
      uint32_t words[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const float(&sum)[4] = sums.at[i / 2][part * 4 + k];
        words[k] = pack_bf16(sum[i % 2 * 2], sum[i % 2 * 2 + 1]);
      }
      transpose_words(words);
      const uint4 whole = {words[0], words[1], words[2], words[3]};
      if (row < count)
        *reinterpret_cast<uint4*>(to + row * stride + part * 32 + lane % 4 * 8) = whole;
    }
  }
}

}  // namespace medcoss::cuda
