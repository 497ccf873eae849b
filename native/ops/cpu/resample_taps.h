// Resampling along one axis as weighted sums of input positions.
//
// Interpolation, B-spline prefilter and antialias filter are linear and treat each axis alone, so
// one table of weights per axis holds all three.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/cpu/resample.h"

namespace medcoss {

/// Weights of each output position on the input positions `first[i], first[i] + 1, ...`. Positions
/// outside the input stand for those that `mirror` gives.
struct AxisTaps {
  int64_t count = 1;
  std::vector<int64_t> first;
  std::vector<float> weights;  // [size, count]
  std::vector<char> inside;

  int64_t size() const { return static_cast<int64_t>(first.size()); }
  const float* of(int64_t i) const { return weights.data() + i * count; }
  /// The least first position, and one after the greatest last one.
  int64_t begin() const;
  int64_t end() const;
};

AxisTaps make_taps(const ResampleAxis& axis, int64_t length, const ResampleOptions& options);

/// The position inside [0, length) that `position` is the image of, when mirrors stand on the
/// outermost centres.
int64_t mirror(int64_t position, int64_t length);

}  // namespace medcoss
