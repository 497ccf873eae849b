// Kernels of the distance between two encoders' outputs.
//
// Invariant: sums are float64 over fixed blocks of rows, so that threads do not matter.
#pragma once

#include <cstdint>

namespace medcoss {

/// Rows [rows][width] of both sides; `real` marks those that count, none: all.
struct FeaturePair {
  const float* student;
  const float* teacher;
  const bool* real;
  int64_t rows, width;
};

/// sum (student - teacher)^2.
double squared_difference(const FeaturePair& pair);

/// out [rows][width] = factor (student - teacher), zero in rows that do not count.
void scaled_difference(const FeaturePair& pair, float factor, float* out);

}  // namespace medcoss
