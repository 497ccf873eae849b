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

// Abramowitz and Stegun 26.2.17, within 7.5e-8 of F, a 2^16th of what bfloat16 resolves at 1. One
// exponential serves F and f: erff and expf would take longer than the memory accesses.
template <>
__device__ inline Normal normal<bf16>(float x) {
  const float density = 0.398942280401432678F * __expf(-0.5F * x * x);
  const float t = __fdividef(1, 1 + 0.2316419F * fabsf(x));
  float series = 1.330274429F;
  series = series * t - 1.821255978F;
  series = series * t + 1.781477937F;
  series = series * t - 0.356563782F;
  series = series * t + 0.319381530F;
  const float tail = density * series * t;
  return {x < 0 ? tail : 1 - tail, density};
}

}  // namespace medcoss::cuda
