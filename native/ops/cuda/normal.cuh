// The standard normal distribution, for GELU: gelu(x) = x F(x), gelu'(x) = F(x) + x f(x).
#pragma once

#include "ops/cuda/numbers.cuh"

namespace medcoss::cuda {

struct Normal {
  float distribution, density;
};

/// At x; `T`, the type of results, decides how exactly.
template <typename T>
__device__ Normal normal(float x);

template <>
__device__ inline Normal normal<float>(float x) {
  constexpr float density_at_zero = 0.398942280401432678F;
  return {0.5F * (1 + erff(x * 0.707106781186547524F)), density_at_zero * expf(-0.5F * x * x)};
}

template <typename T>
__device__ inline float gelu(float x) {
  return x * normal<T>(x).distribution;
}

/// What lies beyond |x|, and exp(-x^2 / 2). Abramowitz and Stegun 26.2.17, within 7.5e-8, a 2^16th
/// of what bfloat16 resolves at 1. One exponential serves distribution and density: the arithmetic
/// of erff, expf and a division would take longer than the memory accesses.
struct Tail {
  float beyond, bell;
};

__device__ inline Tail tail(float x) {
  const float bell = exp2_approximate(-0.721347520444481704F * x * x);
  const float t = reciprocal_approximate(1 + 0.2316419F * fabsf(x));
  // The published coefficients over the square root of 2 pi.
  float series = 0.530702715F;
  series = series * t - 0.726576014F;
  series = series * t + 0.710706871F;
  series = series * t - 0.142248368F;
  series = series * t + 0.127414796F;
  return {series * t * bell, bell};
}

template <>
__device__ inline Normal normal<bf16>(float x) {
  const Tail t = tail(x);
  return {x < 0 ? t.beyond : 1 - t.beyond, 0.398942280401432678F * t.bell};
}

template <>
__device__ inline float gelu<bf16>(float x) {
  return fmaxf(x, 0) - fabsf(x) * tail(x).beyond;
}

}  // namespace medcoss::cuda
