// Greedy k-means++: squared distances to a pool of candidates, what each would gain, the best
// taken.
//
// Invariant: gains are float64 sums in a fixed order; of equal gains the first counts, as on the
// CPU.
#include "ops/cuda/instructions.cuh"
#include "ops/cuda/kmeans_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads)
    pool_distances_kernel(float* table, int64_t stride, int64_t rows, const VectorNorms* norms_N,
                          const VectorNorms* norms_P) {
  const int64_t row = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (row >= rows) return;
  float& place = table[blockIdx.y * stride + row];
  place = fmaxf(norms_N[row].squared + norms_P[blockIdx.y].squared - 2 * place, 0.0F);
}

// A block of threads for each block of rows and candidate.
__global__ void __launch_bounds__(threads)
    pool_gains_kernel(const float* table, int64_t stride, int64_t rows, const float* closest_N,
                      Trials trials, double* out) {
  __shared__ double sums[threads];
  const float* column = table + trials.columns[blockIdx.y] * stride;
  const int64_t begin = int64_t{blockIdx.x} * gain_rows;
  const int64_t end = begin + gain_rows < rows ? begin + gain_rows : rows;
  double sum = 0;
  for (int64_t row = begin + threadIdx.x; row < end; row += threads) {
    sum += fmaxf(closest_N[row] - column[row], 0.0F);
  }
  sums[threadIdx.x] = sum;
  for (int step = threads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < step) sums[threadIdx.x] += sums[threadIdx.x + step];
  }
  if (threadIdx.x == 0) out[int64_t{blockIdx.x} * trials.count + blockIdx.y] = sums[0];
}

__global__ void __launch_bounds__(32)
    best_trial_kernel(const double* gains, int64_t blocks, Trials trials, int32_t* best) {
  __shared__ double sums[most_trials];
  const int t = static_cast<int>(threadIdx.x);
  if (t < trials.count) {
    double sum = 0;
    for (int64_t block = 0; block < blocks; ++block) sum += gains[block * trials.count + t];
    sums[t] = sum;
  }
  __syncthreads();
  if (t != 0) return;
  int first = 0;
  for (int other = 1; other < trials.count; ++other) {
    if (sums[other] > sums[first]) first = other;
  }
  *best = trials.columns[first];
}

__global__ void __launch_bounds__(threads)
    take_candidate_kernel(const float* table, int64_t stride, int64_t rows, const int32_t* best,
                          const int64_t* pool, float* closest_N, int64_t* chosen) {
  const int64_t row = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (row >= rows) return;
  const int64_t sample = pool[*best];
  closest_N[row] = row == sample ? 0.0F : fminf(closest_N[row], table[*best * stride + row]);
  if (row == 0) *chosen = sample;
}

unsigned blocks_for(int64_t items, int64_t each) {
  return static_cast<unsigned>((items + each - 1) / each);
}

}  // namespace

int pool_distances(float* table, int64_t stride, int64_t rows, int64_t candidates,
                   const VectorNorms* norms_N, const VectorNorms* norms_P, void* stream) {
  const dim3 grid(blocks_for(rows, threads), static_cast<unsigned>(candidates));
  return launch(pool_distances_kernel, grid, threads, 0, stream, table, stride, rows, norms_N,
                norms_P);
}

int pool_gains(const float* table, int64_t stride, int64_t rows, const float* closest_N,
               const Trials& trials, double* out, void* stream) {
  const dim3 grid(blocks_for(rows, gain_rows), static_cast<unsigned>(trials.count));
  return launch(pool_gains_kernel, grid, threads, 0, stream, table, stride, rows, closest_N, trials,
                out);
}

int best_trial(const double* gains, int64_t blocks, const Trials& trials, int32_t* best,
               void* stream) {
  return launch(best_trial_kernel, dim3(1), 32, 0, stream, gains, blocks, trials, best);
}

int take_candidate(const float* table, int64_t stride, int64_t rows, const int32_t* best,
                   const int64_t* pool, float* closest_N, int64_t* chosen, void* stream) {
  return launch(take_candidate_kernel, dim3(blocks_for(rows, threads)), threads, 0, stream, table,
                stride, rows, best, pool, closest_N, chosen);
}

}  // namespace medcoss::cuda
