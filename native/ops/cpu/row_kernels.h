// How kernels over rows reach the processor's vectors: one body per kernel, compiled for AVX-512,
// AVX2 and any processor, chosen once when it runs.
//
// A kernel is a struct of arguments with a function `rows(arguments, begin, end)`, always inlined,
// whose loops are simple enough to be vectorised. Values of T are float or bfloat16 bits.
//
// Invariant: conversion to bfloat16 rounds to nearest even and keeps what is not a number.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#define MEDCOSS_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")))
#define MEDCOSS_ROWS_AVX2 __attribute__((target("avx2,fma")))
#endif
#define MEDCOSS_ROWS inline __attribute__((always_inline))

namespace medcoss {

/// bfloat16 as it lies in memory.
using Bf16 = uint16_t;

MEDCOSS_ROWS float load(const float* x) {
  return *x;
}

MEDCOSS_ROWS float load(const Bf16* x) {
  const uint32_t bits = static_cast<uint32_t>(*x) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

MEDCOSS_ROWS void store(float value, float* to) {
  *to = value;
}

MEDCOSS_ROWS void store(float value, Bf16* to) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  *to = static_cast<Bf16>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

template <typename Arguments>
using RowKernel = void (*)(const Arguments&, int64_t, int64_t);

template <typename Arguments>
void rows_anywhere(const Arguments& arguments, int64_t begin, int64_t end) {
  rows(arguments, begin, end);
}

#if defined(__x86_64__)
template <typename Arguments>
MEDCOSS_ROWS_AVX2 void rows_avx2(const Arguments& arguments, int64_t begin, int64_t end) {
  rows(arguments, begin, end);
}

template <typename Arguments>
MEDCOSS_AVX512 void rows_avx512(const Arguments& arguments, int64_t begin, int64_t end) {
  rows(arguments, begin, end);
}
#endif

/// The version of a kernel for this processor.
template <typename Arguments>
RowKernel<Arguments> row_kernel() {
#if defined(__x86_64__)
  static const RowKernel<Arguments> chosen = [] {
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    if (avx512) return rows_avx512<Arguments>;
    return avx2 ? rows_avx2<Arguments> : rows_anywhere<Arguments>;
  }();
  return chosen;
#else
  return rows_anywhere<Arguments>;
#endif
}

}  // namespace medcoss
