// The search of kmeans_nearest.cu for all rows of a chunk on a Hopper GPU, where its wider
// instructions more than double the rate.
//
// One warp keeps a ring of tiles filled; two groups of four warps take 64 rows each and 256
// centres, and drift apart far enough for one to compare while the other multiplies.
// Invariant: results are those of kmeans_nearest.cu up to the order of sums.
#include "ops/cuda/kmeans_hopper.cuh"
#include "ops/cuda/kmeans_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int group_threads = 128;
constexpr int groups = 2;
constexpr int threads = (groups + 1) * group_threads;
constexpr int group_rows = 64;
constexpr int rows_of_tile = groups * group_rows;
constexpr int centres_of_tile = 256;
constexpr int depth = 64;
constexpr int stages = 4;
constexpr int line_bytes = depth * 2;
constexpr int rows_bytes = rows_of_tile * line_bytes;
constexpr int stage_size = (rows_of_tile + centres_of_tile) * line_bytes;
constexpr int alignment = 1024;
constexpr int shared_size = alignment + stages * stage_size + 2 * stages * 8;
constexpr int sums_of_thread = group_rows * centres_of_tile / group_threads;
static_assert(shared_size <= 227 * 1024, "the shared memory of a block on compute capability 9.0");

// A place in the ring, and which of its barriers' phases counts.
struct Stage {
  SharedAddress ring;
  int number = 0;
  uint32_t parity = 0;

  __device__ SharedAddress rows() const { return ring + number * stage_size; }
  __device__ SharedAddress centres() const { return rows() + rows_bytes; }
  __device__ SharedAddress full() const { return ring + stages * stage_size + number * 8; }
  __device__ SharedAddress empty() const { return full() + stages * 8; }
  __device__ void next() {
    if (++number < stages) return;
    number = 0;
    parity ^= 1;
  }
};

// The part of the work that falls to a block: a tile of rows and the centres of a split.
struct Item {
  int row, split, tile, last_tile;

  __device__ Item(const NearestTwo& work, int number) {
    const int splits = work.splits.count();
    split = number % splits;
    row = number / splits * rows_of_tile;
    tile = work.splits.first(split);
    last_tile = work.splits.last(split);
  }
};

constexpr int tiles_at_once = centres_of_tile / tile_centres;

__device__ int item_count(const NearestTwo& work) {
  return (work.rows + rows_of_tile - 1) / rows_of_tile * work.splits.count();
}

__device__ void fill(const NearestTwo& work, const TileMap& samples, const TileMap& centres,
                     Stage stage) {
  const int items = item_count(work);
  for (int i = static_cast<int>(blockIdx.x); i < items; i += static_cast<int>(gridDim.x)) {
    Item item(work, i);
    for (; item.tile < item.last_tile; item.tile += tiles_at_once) {
      for (int at = 0; at < work.width; at += depth) {
        // The first round finds every stage empty.
        wait_for_phase(stage.empty(), stage.parity ^ 1);
        expect_bytes(stage.full(), stage_size);
        load_tile(stage.rows(), samples, at, item.row, stage.full());
        load_tile(stage.centres(), centres, at, item.tile * tile_centres, stage.full());
        stage.next();
      }
    }
  }
}

// All depths of a tile; stages are given back as soon as their products are done.
__device__ __forceinline__ void multiply_tile(int steps, int group, Stage& stage, bool reports,
                                              float (&sums)[sums_of_thread]) {
  SharedAddress before = 0;
  for (int step = 0; step < steps; ++step) {
    wait_for_phase(stage.full(), stage.parity);
    const SharedAddress rows = stage.rows() + group * group_rows * line_bytes;
    begin_group();
#pragma unroll
    for (int i = 0; i < depth / 16; ++i) {
      multiply_group(sums, tile_descriptor(rows + i * 32),
                     tile_descriptor(stage.centres() + i * 32), step + i > 0);
    }
    commit_group();
    wait_for_groups<1>();
    if (step > 0 && reports) arrive(before);
    before = stage.empty();
    stage.next();
  }
  wait_for_groups<0>();
  hold(sums);
  if (reports) arrive(before);
}

__device__ __forceinline__ void compare(const float* values, int first, int lane,
                                        const float (&sums)[sums_of_thread], Nearest (&found)[2]) {
#pragma unroll
  for (int j = 0; j < sums_of_thread; j += 4) {
    const int place = first + j * 2 + sum_column(lane, 0);
    const float2 norms = *reinterpret_cast<const float2*>(values + place);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float distance = fmaf(-2.0F, sums[j + i], i % 2 == 0 ? norms.x : norms.y);
      Nearest& nearest = found[i / 2];
      nearest.second = fminf(nearest.second, fmaxf(nearest.first, distance));
      nearest.place = distance < nearest.first ? place + i % 2 : nearest.place;
      nearest.first = fminf(nearest.first, distance);
    }
  }
}

__device__ __forceinline__ void write_nearest(const NearestTwo& work, int row, int split, int lane,
                                              Nearest (&found)[2]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int step = 1; step < 4; step *= 2) {
      const Nearest other = {__shfl_xor_sync(0xffffffffU, found[i].first, step),
                             __shfl_xor_sync(0xffffffffU, found[i].second, step),
                             __shfl_xor_sync(0xffffffffU, found[i].place, step)};
      found[i].add(other);
    }
    const int place = row + sum_row(lane, 2 * i);
    if (lane % 4 == 0 && place < work.rows) work.out[split * work.stride + place] = found[i];
  }
}

__device__ void search(const NearestTwo& work, int group, Stage stage) {
  const int thread = static_cast<int>(threadIdx.x) % group_threads;
  const int lane = thread % 32;
  const int items = item_count(work);
  const int steps = (work.width + depth - 1) / depth;
  float sums[sums_of_thread];
  for (int i = static_cast<int>(blockIdx.x); i < items; i += static_cast<int>(gridDim.x)) {
    Item item(work, i);
    Nearest found[2] = {{CUDART_INF_F, CUDART_INF_F, -1}, {CUDART_INF_F, CUDART_INF_F, -1}};
    for (; item.tile < item.last_tile; item.tile += tiles_at_once) {
      multiply_tile(steps, group, stage, thread == 0, sums);
      compare(work.centre_values, item.tile * tile_centres, lane, sums, found);
    }
    write_nearest(work, item.row + group * group_rows + thread / 32 * 16, item.split, lane, found);
  }
}

__global__ void __launch_bounds__(threads, 1)
    nearest_two_hopper_kernel(const __grid_constant__ TileMap samples,
                              const __grid_constant__ TileMap centres, NearestTwo work) {
  const SharedAddress start = shared_address(dynamic_shared());
  const Stage stage{(start + alignment - 1) / alignment * alignment};
  if (threadIdx.x == 0) {
    Stage each = stage;
    for (int i = 0; i < stages; ++i, each.next()) {
      make_barrier(each.full(), 1);
      make_barrier(each.empty(), groups);
    }
    publish_barriers();
  }
  __syncthreads();
  const int group = static_cast<int>(threadIdx.x) / group_threads;
  if (group == groups) {
    give_registers<40>();
    if (threadIdx.x % group_threads == 0) fill(work, samples, centres, stage);
  } else {
    take_registers<232>();
    search(work, group, stage);
  }
}

}  // namespace

int nearest_two_hopper(const NearestTwo& work, int multiprocessors, void* stream) {
  TileMap samples;
  int code = make_tile_map(samples, work.samples.high, work.rows, work.width, rows_of_tile);
  if (code != 0) return code;
  TileMap centres;
  const int64_t padded = int64_t{work.splits.tiles} * tile_centres;
  code = make_tile_map(centres, work.centres.high, padded, work.width, centres_of_tile);
  if (code != 0) return code;
  const int64_t tiles =
      (int64_t{work.rows} + rows_of_tile - 1) / rows_of_tile * work.splits.count();
  const auto blocks = static_cast<unsigned>(tiles < multiprocessors ? tiles : multiprocessors);
  return launch(nearest_two_hopper_kernel, dim3(blocks), threads, shared_size, stream, samples,
                centres, work);
}

}  // namespace medcoss::cuda
