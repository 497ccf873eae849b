// Sums over a block of threads, in a fixed order.
#pragma once

#include "ops/cuda/numbers.cuh"

namespace medcoss::cuda {

/// The sum over a block of `threads`, in every thread. All threads of the block come here.
template <int threads, typename Value>
__device__ inline Value block_sum(Value x) {
  constexpr int warps = threads / warp_size;
  __shared__ Value parts[warps];
  x = warp_sum(x);
  if (threadIdx.x % warp_size == 0) parts[threadIdx.x / warp_size] = x;
  __syncthreads();
  Value sum = 0;
  for (int warp = 0; warp < warps; ++warp) sum += parts[warp];
  // The next call may write before all have read.
  __syncthreads();
  return sum;
}

/// The sum of `count` values, those of a thread a block apart. All threads of the block come here.
template <int threads>
__device__ inline double sum_of(const double* values, int64_t count) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += threads) sum += values[i];
  return block_sum<threads>(sum);
}

}  // namespace medcoss::cuda
