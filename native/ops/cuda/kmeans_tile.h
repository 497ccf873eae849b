// The shape of the work of k-means' matrix product, as arithmetic that the host runs as well.
//
// A block of threads compares a tile of rows with the centres of one split, a tile of centres at a
// time; a warp has 64 rows and 64 centres of that. Operands pass through a ring of stages in shared
// memory, 32 values of depth each.
// Invariant: one ring fits the shared memory of every target; any eight rows that a load of
// matrices reads together lie in different banks.
#pragma once

#include <cstdint>

namespace medcoss::cuda {

constexpr int tile_rows = 256;
constexpr int tile_centres = 128;
/// Centres are filled up to a multiple of it: the widest tile of any kernel.
constexpr int centre_padding = 256;
constexpr int tile_depth = 32;  // values of 2 bytes
constexpr int tile_stages = 4;
constexpr int tile_threads = 256;
constexpr int warp_edge = 64;  // rows and centres of a warp
constexpr int warps_across = tile_centres / warp_edge;

/// Bytes of shared memory.
constexpr int tile_row_bytes = tile_depth * 2;
constexpr int stage_bytes = (tile_rows + tile_centres) * tile_row_bytes;
constexpr int ring_bytes = tile_stages * stage_bytes;
static_assert(ring_bytes <= 99 * 1024, "the shared memory of a block on compute capability 8.6");

constexpr int64_t rounded_up(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// Where 16 bytes of a row of a stage stand: rows are 64 bytes long, and two of them share all
/// banks.
constexpr int chunk_offset(int row, int chunk) {
  return row * tile_row_bytes + ((chunk ^ ((row >> 1) & 3)) << 4);
}

/// What a lane names to a load of four 8 x 8 matrices: its row among 16 and its 16 bytes of depth.
struct MatrixPlace {
  int row, chunk;
};
/// Rows: 0-7 and 8-15 at the first eight values of depth, then both at the next.
constexpr MatrixPlace row_matrix(int lane) {
  return {lane & 15, lane >> 4};
}
/// Centres: 0-7 at both stretches of depth, then 8-15.
constexpr MatrixPlace centre_matrix(int lane) {
  return {(lane & 7) + ((lane >> 4) << 3), (lane >> 3) & 1};
}

/// Row and column of a lane's `i`-th sum of a 16 x 8 product.
constexpr int sum_row(int lane, int i) {
  return lane / 4 + 8 * (i / 2);
}
constexpr int sum_column(int lane, int i) {
  return lane % 4 * 2 + i % 2;
}

/// How all centres are split: `tiles` tiles of centres, at most `per_split` for each block.
struct CentreSplits {
  int tiles, per_split;

  constexpr int count() const { return (tiles + per_split - 1) / per_split; }
  constexpr int first(int split) const { return split * per_split; }
  constexpr int last(int split) const {
    return (split + 1) * per_split < tiles ? (split + 1) * per_split : tiles;
  }
};

/// Rows of a list, none where they are fewer than `least`; without a list the first `rows`.
constexpr int rows_to_do(const int32_t* list, const int32_t* listed, int32_t least, int32_t rows) {
  if (list == nullptr) return rows;
  return *listed < least ? 0 : *listed;
}

/// The two smallest of some values and the place of the smallest.
struct Nearest {
  float first, second;
  int32_t place;

  constexpr void add(const Nearest& other) {
    const float loser = first > other.first ? first : other.first;
    second = second < other.second ? second : other.second;
    second = second < loser ? second : loser;
    if (other.first >= first) return;
    first = other.first;
    place = other.place;
  }
};

/// Rows of one piece of a cluster: what one block of threads sums up.
constexpr int64_t piece_rows = 128;

/// The cluster of a piece: the last of `clusters` whose first piece is not behind it.
constexpr int64_t cluster_of_piece(const int64_t* first_piece, int64_t clusters, int64_t piece) {
  int64_t low = 0;
  int64_t high = clusters;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (first_piece[middle] <= piece)
      low = middle;
    else
      high = middle;
  }
  return low;
}

}  // namespace medcoss::cuda
