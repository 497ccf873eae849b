// Kernels of bias and GELU (the erf form), and of column sums.
//
// Invariant: errors stay below 3e-7 of 1 + |u| in float32. Shape letters: N rows, H hidden width.
#pragma once

#include <cstdint>

#include "ops/cpu/block_norm.h"
#include "ops/cpu/row_kernels.h"

namespace medcoss {

/// a = gelu(u + bias).
template <typename T>
struct GeluRows {
  int64_t width;
  const T* u;
  const float* bias;
  T* a;
};

/// du = gelu'(u + bias) da, a = gelu(u + bias), and column sums of du; `begin` and `end` are
/// blocks.
template <typename T>
struct GeluBackwardBlocks {
  int64_t width, count;
  const T *da, *u;
  const float* bias;
  T *du, *a;
  float* dbias;
};

/// Column sums of rows that start `stride` values apart; `begin` and `end` are blocks.
template <typename T>
struct ColumnSumBlocks {
  int64_t width, count, stride;
  const T* x;
  float* sums;
};

/// A rational minimax approximation; beyond 4 erf is 1 in float32.
MEDCOSS_ROWS float erf_of(float x) {
  x = x > 4 ? 4 : x < -4 ? -4 : x;
  const float s = x * x;
  float p = -2.72614225801306e-10F;
  p = p * s + 2.77068142495902e-08F;
  p = p * s - 2.10102402082508e-06F;
  p = p * s - 5.69250639462346e-05F;
  p = p * s - 7.34990630326855e-04F;
  p = p * s - 2.95459980854025e-03F;
  p = p * s - 1.60960333262415e-02F;
  float q = -1.45660718464996e-05F;
  q = q * s - 2.13374055278905e-04F;
  q = q * s - 1.68282697438203e-03F;
  q = q * s - 7.37332916720468e-03F;
  q = q * s - 1.42647390514189e-02F;
  return x * p / q;
}

/// exp(x) for x <= 0; below -87 it is that of -87.
MEDCOSS_ROWS float exp_of(float x) {
  x = x < -87 ? -87 : x;
  // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
  const float shifted = x * 1.44269504F + 12582912.0F;
  const float n = shifted - 12582912.0F;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1;
  const uint32_t exponent = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &exponent, sizeof(power));
  return p * power;
}

template <typename T>
MEDCOSS_ROWS void rows(const GeluRows<T>& a, int64_t begin, int64_t end) {
  const float* __restrict bias = a.bias;
  for (int64_t row = begin; row < end; ++row) {
    const T* __restrict u = a.u + row * a.width;
    T* __restrict out = a.a + row * a.width;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) {
      const float x = load(u + i) + bias[i];
      store(0.5F * x * (1 + erf_of(x * 0.70710678F)), out + i);
    }
  }
}

template <typename T>
MEDCOSS_ROWS void gelu_backward_row(const GeluBackwardBlocks<T>& k, int64_t row,
                                    float* __restrict dbias) {
  const float* __restrict bias = k.bias;
  const T* __restrict u = k.u + row * k.width;
  const T* __restrict da = k.da + row * k.width;
  T* __restrict du = k.du + row * k.width;
  T* __restrict a = k.a + row * k.width;
#pragma omp simd
  for (int64_t i = 0; i < k.width; ++i) {
    const float x = load(u + i) + bias[i];
    const float below = 0.5F * (1 + erf_of(x * 0.70710678F));
    const float density = 0.39894228F * exp_of(-0.5F * x * x);
    const float gradient = load(da + i) * (below + x * density);
    store(x * below, a + i);
    store(gradient, du + i);
    dbias[i] += gradient;
  }
}

template <typename T>
MEDCOSS_ROWS void rows(const GeluBackwardBlocks<T>& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    for (int64_t row = block * sum_rows; row < block_end(block, a.count); ++row) {
      gelu_backward_row(a, row, a.dbias + block * a.width);
    }
  }
}

template <typename T>
MEDCOSS_ROWS void rows(const ColumnSumBlocks<T>& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    float* __restrict sums = a.sums + block * a.width;
    for (int64_t row = block * sum_rows; row < block_end(block, a.count); ++row) {
      const T* __restrict x = a.x + row * a.stride;
#pragma omp simd
      for (int64_t i = 0; i < a.width; ++i) sums[i] += load(x + i);
    }
  }
}

}  // namespace medcoss
