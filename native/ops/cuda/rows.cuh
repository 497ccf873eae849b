// What kernels over rows share: which widths fit, weights of columns, factors of samples.
#pragma once

#include "ops/cuda/numbers.cuh"

namespace medcoss::cuda {

constexpr int64_t quad_columns = 4 * warp_size;

/// Widths of which eight warps hold a row.
constexpr bool fits_quads(int64_t width) {
  return width % 4 == 0 && width <= 8 * quad_columns;
}

/// Four weights of a row's columns, ones where there are none.
__device__ inline Pack<float, 4> weights_at(const float* weights, int column) {
  if (weights == nullptr) return {{1, 1, 1, 1}};
  return load_pack<float, 4>(weights + column);
}

/// What multiplies the branch of the row's sample.
__device__ inline float sample_factor(const float* scale, int64_t row, int64_t rows_per_sample) {
  if (scale == nullptr) return 1;
  // 64-bit division is a subroutine of a hundred instructions.
  return scale[static_cast<uint32_t>(row) / static_cast<uint32_t>(rows_per_sample)];
}

}  // namespace medcoss::cuda
