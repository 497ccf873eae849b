// What all kernels share: conversion of values, packs that move as one access, sums over a warp.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

namespace medcoss::cuda {

using bf16 = __nv_bfloat16;

constexpr int warp_size = 32;
constexpr unsigned whole_warp = 0xffffffffU;

__device__ inline float to_float(float x) {
  return x;
}
__device__ inline float to_float(bf16 x) {
  return __bfloat162float(x);
}

__device__ inline void store(float& out, float x) {
  out = x;
}
__device__ inline void store(bf16& out, float x) {
  out = __float2bfloat16_rn(x);
}

/// 2^x and 1 / x as the hardware has them, within two units of the last place; denormals are zero.
__device__ inline float exp2_approximate(float x) {
#ifdef __CUDA_ARCH__
  asm("ex2.approx.ftz.f32 %0, %0;" : "+f"(x));
  return x;
#else
  return exp2f(x);
#endif
}
__device__ inline float reciprocal_approximate(float x) {
#ifdef __CUDA_ARCH__
  asm("rcp.approx.ftz.f32 %0, %0;" : "+f"(x));
  return x;
#else
  return 1 / x;
#endif
}

/// `count` neighbours that are read and written as one.
template <typename T, int count>
struct alignas(sizeof(T) * count) Pack {
  T at[count];
};

/// The word that moves a pack. Spelled out, since the compiler splits the store of a structure
/// whose members it has changed one by one.
template <int bytes>
struct WordOf;
template <>
struct WordOf<16> {
  using type = uint4;
};
template <>
struct WordOf<8> {
  using type = uint2;
};
template <>
struct WordOf<4> {
  using type = uint32_t;
};
template <>
struct WordOf<2> {
  using type = uint16_t;
};
template <>
struct WordOf<1> {
  using type = uint8_t;
};

template <typename T, int count>
__device__ inline Pack<T, count> load_pack(const T* from) {
  using Word = typename WordOf<sizeof(T) * count>::type;
  const Word word = *reinterpret_cast<const Word*>(from);
  Pack<T, count> pack;
  memcpy(&pack, &word, sizeof(pack));
  return pack;
}

/// Into global memory only.
template <typename T, int count>
__device__ inline void store_pack(T* to, const Pack<T, count>& pack) {
  using Word = typename WordOf<sizeof(T) * count>::type;
  Word word;
  memcpy(&word, &pack, sizeof(word));
  __stcg(reinterpret_cast<Word*>(to), word);
}

/// Values in an access of 16 bytes.
template <typename T>
constexpr int wide = 16 / static_cast<int>(sizeof(T));

/// The sum over the warp, the same in all lanes.
template <typename Value>
__device__ inline Value warp_sum(Value x) {
  for (int offset = warp_size / 2; offset > 0; offset /= 2) {
    x += __shfl_xor_sync(whole_warp, x, offset);
  }
  return x;
}

}  // namespace medcoss::cuda
