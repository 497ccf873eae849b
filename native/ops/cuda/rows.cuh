// A row of values spread over the registers of a warp: lane l holds the quads l, l + 32, ...
//
// Invariant: register arrays are indexed by constants of unrolled loops only.
#pragma once

#include "ops/cuda/numbers.cuh"

namespace medcoss::cuda {

constexpr int64_t quad_columns = 4 * warp_size;

/// Widths of which a warp holds a row.
constexpr bool fits_quads(int64_t width) {
  return width % 4 == 0 && width <= 8 * quad_columns;
}

template <typename T, int quads>
struct Row {
  Pack<T, 4> quad[quads];
};

/// f(quad, column) for the quads of this lane inside the width.
template <int quads, typename F>
__device__ inline void for_quads(int64_t width, F f) {
  const int first = 4 * static_cast<int>(threadIdx.x % warp_size);
#pragma unroll
  for (int q = 0; q < quads; ++q) {
    const int column = first + q * static_cast<int>(quad_columns);
    if (column < static_cast<int>(width)) f(q, column);
  }
}

template <typename T, int quads>
__device__ inline void load_row(const T* from, int64_t width, Row<T, quads>& row) {
  for_quads<quads>(width, [&](int q, int column) { row.quad[q] = load_pack<T, 4>(from + column); });
}

template <typename T, int quads>
__device__ inline void store_row(T* to, int64_t width, const Row<T, quads>& row) {
  for_quads<quads>(width, [&](int q, int column) { store_pack(to + column, row.quad[q]); });
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
