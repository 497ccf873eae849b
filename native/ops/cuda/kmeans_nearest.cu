// The matrix product of k-means with the search for the two nearest centres behind it: products
// stay in registers, and a row leaves two values and a place for each split of the centres.
//
// Invariant: a row's result depends on its values and the centres only, not on its place in the
// list or on the number of blocks.
#include "ops/cuda/instructions.cuh"
#include "ops/cuda/kmeans_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int row_tiles = warp_edge / 16;
constexpr int centre_tiles = warp_edge / 8;
constexpr int row_copies = tile_rows * 4 / tile_threads;
constexpr int centre_copies = tile_centres * 4 / tile_threads;
// Of each operand's parts, high times high comes last: small sums first lose less.
constexpr int last_pass = 2;

// Copies of one thread into the ring, a step of depth at a time: all passes of a tile of centres,
// then the next tile.
struct Copies {
  const NearestTwo& work;
  SharedAddress ring;
  int64_t rows[row_copies];
  int64_t centres[centre_copies];
  int pass, depth, stage;

  __device__ int first_pass() const { return work.exact ? 0 : last_pass; }

  __device__ void begin(int tile, int first_row, int count) {
    const int thread = static_cast<int>(threadIdx.x);
    for (int i = 0; i < row_copies; ++i) {
      // Past the end the last row is read again.
      const int slot = min(first_row + thread / 4 + i * (tile_threads / 4), count - 1);
      const int64_t row = work.list != nullptr ? work.list[slot] : slot;
      rows[i] = row * work.width + thread % 4 * 8;
    }
    for (int i = 0; i < centre_copies; ++i) {
      const int64_t centre = tile * tile_centres + thread / 4 + i * (tile_threads / 4);
      centres[i] = centre * work.width + thread % 4 * 8;
    }
    pass = first_pass();
    depth = stage = 0;
  }

  __device__ void next() {
    const int thread = static_cast<int>(threadIdx.x);
    const uint16_t* from = (pass == 1 ? work.samples.low : work.samples.high) + depth;
    const uint16_t* centre_from = (pass == 0 ? work.centres.low : work.centres.high) + depth;
    const SharedAddress to = ring + stage * stage_bytes;
    for (int i = 0; i < row_copies; ++i) {
      const int row = thread / 4 + i * (tile_threads / 4);
      copy_async(to + chunk_offset(row, thread % 4), from + rows[i]);
    }
    for (int i = 0; i < centre_copies; ++i) {
      const int row = tile_rows + thread / 4 + i * (tile_threads / 4);
      copy_async(to + chunk_offset(row, thread % 4), centre_from + centres[i]);
    }
    advance();
  }

  __device__ void advance() {
    stage = stage + 1 == tile_stages ? 0 : stage + 1;
    depth += tile_depth;
    if (depth < work.width) return;
    depth = 0;
    if (++pass <= last_pass) return;
    pass = first_pass();
    for (int i = 0; i < centre_copies; ++i) centres[i] += int64_t{tile_centres} * work.width;
  }
};

using Sums = float[row_tiles][centre_tiles][4];

// One stage: a warp's 64 rows times its 64 centres.
__device__ __forceinline__ void multiply_stage(SharedAddress stage, int row, int centre, int lane,
                                               Sums& sums) {
#pragma unroll
  for (int half = 0; half < tile_depth / 16; ++half) {
    uint32_t rows[row_tiles][4];
    uint32_t centres[centre_tiles / 2][4];
#pragma unroll
    for (int i = 0; i < row_tiles; ++i) {
      const MatrixPlace place = row_matrix(lane);
      load_matrices(rows[i],
                    stage + chunk_offset(row + i * 16 + place.row, half * 2 + place.chunk));
    }
#pragma unroll
    for (int j = 0; j < centre_tiles / 2; ++j) {
      const MatrixPlace place = centre_matrix(lane);
      load_matrices(centres[j], stage + chunk_offset(tile_rows + centre + j * 16 + place.row,
                                                     half * 2 + place.chunk));
    }
#pragma unroll
    for (int i = 0; i < row_tiles; ++i) {
#pragma unroll
      for (int j = 0; j < centre_tiles; ++j) {
        multiply_add(sums[i][j], rows[i], centres[j / 2][j % 2 * 2], centres[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
}

// Takes a tile's sums into what each of a lane's eight rows has found, and empties them.
__device__ __forceinline__ void take_sums(const float* values, int first, int lane, Sums& sums,
                                          Nearest (&found)[row_tiles * 2]) {
#pragma unroll
  for (int j = 0; j < centre_tiles; ++j) {
#pragma unroll
    for (int column = 0; column < 2; ++column) {
      const int place = first + j * 8 + sum_column(lane, column);
      const float value = values[place];
#pragma unroll
      for (int i = 0; i < row_tiles * 2; ++i) {
        float& sum = sums[i / 2][j][i % 2 * 2 + column];
        const float distance = fmaf(-2.0F, sum, value);
        Nearest& nearest = found[i];
        nearest.second = fminf(nearest.second, fmaxf(nearest.first, distance));
        nearest.place = distance < nearest.first ? place : nearest.place;
        nearest.first = fminf(nearest.first, distance);
        sum = 0;
      }
    }
  }
}

// What the four lanes of a row and the warps beside one another have found.
__device__ __forceinline__ void write_found(const NearestTwo& work, Nearest* shared, int first_row,
                                            int count, int split, Nearest (&found)[row_tiles * 2]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
  for (int i = 0; i < row_tiles * 2; ++i) {
#pragma unroll
    for (int step = 1; step < 4; step *= 2) {
      const Nearest other = {__shfl_xor_sync(0xffffffffU, found[i].first, step),
                             __shfl_xor_sync(0xffffffffU, found[i].second, step),
                             __shfl_xor_sync(0xffffffffU, found[i].place, step)};
      found[i].add(other);
    }
    const int row = warp / warps_across * warp_edge + i / 2 * 16 + sum_row(lane, i % 2 * 2);
    if (lane % 4 == 0) shared[warp % warps_across * tile_rows + row] = found[i];
  }
  __syncthreads();
  const int row = static_cast<int>(threadIdx.x);
  Nearest all = shared[row];
  for (int i = 1; i < warps_across; ++i) all.add(shared[i * tile_rows + row]);
  if (first_row + row < count) work.out[split * work.stride + first_row + row] = all;
  __syncthreads();
}

__global__ void __launch_bounds__(tile_threads, 1) nearest_two_kernel(NearestTwo work) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_row = warp / warps_across * warp_edge;
  const int warp_centre = warp % warps_across * warp_edge;
  const int count = rows_to_do(work.list, work.listed, work.least, work.rows);
  const int splits = work.splits.count();
  const int items = (count + tile_rows - 1) / tile_rows * splits;
  const SharedAddress ring = shared_address(dynamic_shared());
  Copies copies{work, ring, {}, {}, 0, 0, 0};
  for (int item = static_cast<int>(blockIdx.x); item < items; item += static_cast<int>(gridDim.x)) {
    const int split = item % splits;
    const int first_row = item / splits * tile_rows;
    int tile = work.splits.first(split);
    copies.begin(tile, first_row, count);
    const int depths = work.width / tile_depth * (last_pass + 1 - copies.first_pass());
    const int steps = (work.splits.last(split) - tile) * depths;
    for (int i = 0; i < tile_stages - 1; ++i) {
      if (i < steps) copies.next();
      commit_copies();
    }
    Sums sums = {};
    Nearest found[row_tiles * 2];
    for (Nearest& nearest : found) nearest = {CUDART_INF_F, CUDART_INF_F, -1};
    int stage = 0;
    int depth = 0;
    for (int step = 0; step < steps; ++step) {
      wait_for_copies<tile_stages - 2>();
      // Behind it the stage is whole, and every warp is through with the one that is filled next.
      __syncthreads();
      if (step + tile_stages - 1 < steps) copies.next();
      commit_copies();
      multiply_stage(ring + stage * stage_bytes, warp_row, warp_centre, lane, sums);
      stage = stage + 1 == tile_stages ? 0 : stage + 1;
      if (++depth < depths) continue;
      depth = 0;
      take_sums(work.centre_values, tile * tile_centres + warp_centre, lane, sums, found);
      ++tile;
    }
    wait_for_copies<0>();
    __syncthreads();
    write_found(work, reinterpret_cast<Nearest*>(dynamic_shared()), first_row, count, split, found);
  }
}

}  // namespace

int nearest_two(const NearestTwo& work, int multiprocessors, void* stream) {
  const int64_t tiles = (int64_t{work.rows} + tile_rows - 1) / tile_rows * work.splits.count();
  const auto blocks = static_cast<unsigned>(tiles < multiprocessors ? tiles : multiprocessors);
  return launch(nearest_two_kernel, dim3(blocks), tile_threads, ring_bytes, stream, work);
}

}  // namespace medcoss::cuda
