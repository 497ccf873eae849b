// Rules of k-means that the CPU and a GPU must follow alike: what is taken from the samples, and
// what k-means++ draws.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "support/philox.h"

namespace medcoss {

/// Rounded to twelve bits: near enough to the mean, and most samples lose nothing when it is taken
/// from them.
inline double short_value(double value) {
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);
  return std::ldexp(std::round(std::ldexp(mantissa, 12)), exponent - 12);
}

constexpr int64_t most_seed_trials = 16;
constexpr int64_t most_seed_pool = 4 * most_seed_trials;

/// Candidates among which a centre is chosen.
inline int64_t seed_trials(int64_t clusters) {
  const auto some = 2 + static_cast<int64_t>(std::log(static_cast<double>(clusters)));
  return std::min(some, most_seed_trials);
}

/// Candidates of a pool: more where more centres share the distance, since then fewer are refused.
inline int64_t seed_pool_size(int64_t chosen) {
  return std::min(most_seed_pool, most_seed_trials * (1 + chosen / 16));
}

/// Uniform in [0,1) with 53 bits: with many samples 24 are too coarse.
inline double fine_uniform(const Draws& draws, uint32_t index, uint32_t position) {
  const uint64_t high = draws.word(index, 2 * position);
  const uint64_t low = draws.word(index, 2 * position + 1);
  return static_cast<double>((high << 32 | low) >> 11) * 0x1p-53;
}

}  // namespace medcoss
