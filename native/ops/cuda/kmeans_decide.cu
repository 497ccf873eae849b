// Labels from what the matrix product has found; float64 decides where it cannot.
//
// Invariant: a label is the centre of smallest float64 distance, the lowest of equal ones, unless
// rounding in the product's sums was worse than eight of its standard deviations.
#include "ops/cuda/instructions.cuh"
#include "ops/cuda/kmeans_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / 32;

// Values of a row up to so much above the smallest may belong to the nearest centre. By
// Cauchy-Schwarz a rounded part costs at most its norm times that of what it is multiplied with.
__device__ float rival_margin(const ProductError& error, int64_t row) {
  const VectorNorms x = error.sample_norms[row];
  const VectorNorms c = *error.largest_centre;
  const float rest =
      error.exact ? x.fine * c.whole + x.whole * c.fine + (x.coarse + x.fine) * (c.coarse + c.fine)
                  : x.coarse * c.whole + (x.whole + x.coarse) * c.coarse;
  const float sums = error.accumulation * (x.whole + x.coarse) * (c.whole + c.coarse);
  const float values = 0x1p-22F * (c.whole * c.whole + 2 * x.whole * c.whole);
  return 2 * (2 * 1.001F * (rest + sums) + values);
}

__device__ Nearest merged(const Nearest* found, int64_t stride, int splits, int64_t slot) {
  Nearest all = found[slot];
  for (int split = 1; split < splits; ++split) all.add(found[split * stride + slot]);
  return all;
}

__device__ void set_label(int32_t* labels, int32_t* changed, int64_t row, int32_t label) {
  if (labels[row] == label) return;
  labels[row] = label;
  *changed = 1;
}

__global__ void __launch_bounds__(threads) decide_kernel(Decide work) {
  const int count = rows_to_do(work.list, work.listed, work.least, work.rows);
  const int step = static_cast<int>(gridDim.x) * threads;
  for (int slot = static_cast<int>(blockIdx.x * threads + threadIdx.x); slot < count;
       slot += step) {
    const int row = work.list != nullptr ? work.list[slot] : slot;
    const Nearest all = merged(work.found, work.stride, work.splits, slot);
    if (all.second > all.first + rival_margin(work.error, row)) {
      set_label(work.labels, work.changed, row, all.place);
      continue;
    }
    const int place = atomicAdd(work.next_count, 1);
    work.next[place] = row;
    work.next_slots[place] = slot;
  }
}

// Distances in float32, the same in every lane, rounded down by more than they may have lost.
__device__ float least_distance(const float* x, const float* centre, int64_t width) {
  float sum = 0;
  for (int64_t i = threadIdx.x % 32; i < width; i += 32) {
    const float difference = x[i] - centre[i];
    sum = fmaf(difference, difference, sum);
  }
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, step);
  return sum * (1 - (static_cast<float>(width) / 32 + 16) * 0x1p-23F);
}

// The same in every lane.
__device__ double warp_distance(const float* x, const float* centre, int64_t width) {
  double sum = 0;
  for (int64_t i = threadIdx.x % 32; i < width; i += 32) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(centre[i]);
    sum += difference * difference;
  }
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, step);
  return sum;
}

struct Best {
  double distance;
  int32_t label;

  __device__ void add(double other, int32_t place) {
    if (other > distance || (other == distance && place > label)) return;
    distance = other;
    label = place;
  }
};

// Rivals of the nearest centre so far among the centres of a split: float64 where float32 leaves
// it open.
__device__ void look_through(const DecideExactly& work, const float* x, int split, Best& best) {
  const int64_t begin = int64_t{work.splits.first(split)} * tile_centres;
  const int64_t end = int64_t{work.splits.last(split)} * tile_centres;
  for (int64_t c = begin; c < end && c < work.clusters; ++c) {
    const float* centre = work.centres_KD + c * work.width;
    if (static_cast<double>(least_distance(x, centre, work.width)) > best.distance) continue;
    best.add(warp_distance(x, centre, work.width), static_cast<int32_t>(c));
  }
}

// A warp for every row.
__global__ void __launch_bounds__(threads) decide_exactly_kernel(DecideExactly work) {
  const int count = *work.listed;
  if (count > work.most) return;
  const int step = static_cast<int>(gridDim.x) * warps;
  const int first = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / 32;
  const int splits = work.splits.count();
  for (int item = first; item < count; item += step) {
    const int row = work.list[item];
    const int slot = work.slots[item];
    const float limit =
        merged(work.found, work.stride, splits, slot).first + rival_margin(work.error, row);
    const float* x = work.x_ND + row * work.width;
    Best best = {CUDART_INF, INT32_MAX};
    for (int split = 0; split < splits; ++split) {
      const Nearest found = work.found[split * work.stride + slot];
      if (found.first > limit) continue;
      const float* centre = work.centres_KD + found.place * work.width;
      best.add(warp_distance(x, centre, work.width), found.place);
    }
    // A split with one rival has been seen.
    for (int split = 0; split < splits; ++split) {
      if (work.found[split * work.stride + slot].second <= limit)
        look_through(work, x, split, best);
    }
    if (threadIdx.x % 32 == 0) set_label(work.labels, work.changed, row, best.label);
  }
}

__global__ void __launch_bounds__(threads)
    own_distances_kernel(const float* x_ND, const float* centres_KD, const int32_t* labels_N,
                         int64_t rows, int64_t width, double* out_N) {
  const int64_t row = int64_t{blockIdx.x} * warps + threadIdx.x / 32;
  if (row >= rows) return;
  const double distance =
      warp_distance(x_ND + row * width, centres_KD + labels_N[row] * width, width);
  if (threadIdx.x % 32 == 0) out_N[row] = distance;
}

unsigned blocks_for(int64_t items, int64_t each, int64_t most) {
  const int64_t blocks = (items + each - 1) / each;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}

}  // namespace

int decide(const Decide& work, void* stream) {
  const unsigned blocks = blocks_for(work.rows, threads, 4096);
  return launch(decide_kernel, dim3(blocks), threads, 0, stream, work);
}

int decide_exactly(const DecideExactly& work, int multiprocessors, void* stream) {
  const auto blocks = static_cast<unsigned>(multiprocessors * 8);
  return launch(decide_exactly_kernel, dim3(blocks), threads, 0, stream, work);
}

int own_distances(const float* x_ND, const float* centres_KD, const int32_t* labels_N, int64_t rows,
                  int64_t width, double* out_N, void* stream) {
  const unsigned blocks = blocks_for(rows, warps, INT32_MAX);
  return launch(own_distances_kernel, dim3(blocks), threads, 0, stream, x_ND, centres_KD, labels_N,
                rows, width, out_N);
}

}  // namespace medcoss::cuda
