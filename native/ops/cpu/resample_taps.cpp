#include "ops/cpu/resample_taps.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace medcoss {

namespace {

// Where the response of the prefilter has fallen to 1e-7 of its peak.
constexpr int64_t prefilter_radius = 12;
// Where scipy.ndimage, and so scikit-image, cuts the Gaussian off.
constexpr double gaussian_cut = 4;
// Far outside any volume, and exact as an integer.
constexpr double far = 1e15;

using Filter = std::vector<double>;

Filter normalised(Filter filter) {
  double sum = 0;
  for (const double weight : filter) sum += weight;
  for (double& weight : filter) weight /= sum;
  return filter;
}

Filter convolve(const Filter& one, const Filter& other) {
  Filter result(one.size() + other.size() - 1);
  for (size_t i = 0; i < one.size(); i++) {
    for (size_t k = 0; k < other.size(); k++) result[i + k] += one[i] * other[k];
  }
  return result;
}

// The response of the filter that turns samples into coefficients of cubic B-splines (Unser 1993):
// a two-sided exponential of its pole.
Filter prefilter() {
  const double pole = std::sqrt(3.0) - 2;
  Filter filter;
  for (int64_t k = -prefilter_radius; k <= prefilter_radius; k++) {
    filter.push_back(std::pow(pole, static_cast<double>(std::abs(k))));
  }
  return normalised(std::move(filter));
}

Filter gaussian(double sigma) {
  const auto radius = static_cast<int64_t>(gaussian_cut * sigma + 0.5);
  Filter filter;
  for (int64_t k = -radius; k <= radius; k++) {
    const double distance = static_cast<double>(k) / sigma;
    filter.push_back(std::exp(-0.5 * distance * distance));
  }
  return normalised(std::move(filter));
}

Filter linear_weights(double part) {
  return {1 - part, part};
}

// Cubic B-splines of the positions from one before to two after.
Filter spline_weights(double t) {
  const double s = 1 - t;
  return {s * s * s / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * s * s + 3 * s * s * s) / 6,
          t * t * t / 6};
}

double position_of(const ResampleAxis& axis, int64_t i) {
  return std::clamp(static_cast<double>(i) * axis.scale + axis.shift, -far, far);
}

// Into [0, last], where the signal has the same value.
double inward(double position, double last, bool mirrored) {
  if (!mirrored) return std::clamp(position, 0.0, last);
  if (last == 0) return 0;
  const double folded = std::fmod(std::abs(position), 2 * last);
  return std::min(folded, 2 * last - folded);
}

bool is_lattice(const ResampleAxis& axis) {
  return axis.scale == std::floor(axis.scale) && axis.shift == std::floor(axis.shift);
}

// Positions on the input's centres need the centre alone.
void trim(AxisTaps& taps) {
  const int64_t size = taps.size();
  int64_t used = 1;
  for (int64_t i = 0; i < size; i++) {
    for (int64_t k = used; k < taps.count; k++) {
      if (taps.of(i)[k] != 0) used = k + 1;
    }
  }
  for (int64_t i = 0; i < size; i++) {
    std::copy_n(taps.of(i), used, taps.weights.data() + i * used);
  }
  taps.weights.resize(static_cast<size_t>(size * used));
  taps.count = used;
}

}  // namespace

int64_t AxisTaps::begin() const {
  return *std::min_element(first.begin(), first.end());
}

int64_t AxisTaps::end() const {
  return *std::max_element(first.begin(), first.end()) + count;
}

int64_t mirror(int64_t position, int64_t length) {
  if (length == 1) return 0;
  const int64_t period = 2 * (length - 1);
  const int64_t folded = std::abs(position) % period;
  return std::min(folded, period - folded);
}

AxisTaps make_taps(const ResampleAxis& axis, int64_t length, const ResampleOptions& options) {
  const double sigma = options.antialias ? (std::abs(axis.scale) - 1) / 2 : 0;
  const bool spline = options.spline && (sigma > 0 || !is_lattice(axis));
  Filter filter{1};
  if (sigma > 0) filter = gaussian(sigma);
  if (spline) filter = convolve(filter, prefilter());
  const auto radius = static_cast<int64_t>(filter.size() / 2) + (spline ? 1 : 0);
  const auto last = static_cast<double>(length - 1);

  AxisTaps taps;
  taps.count = static_cast<int64_t>(filter.size()) + (spline ? 3 : 1);
  taps.weights.reserve(static_cast<size_t>(axis.size * taps.count));
  for (int64_t i = 0; i < axis.size; i++) {
    const double position = position_of(axis, i);
    const double inside = inward(position, last, options.mirror);
    const double low = std::floor(inside);
    const Filter around = spline ? spline_weights(inside - low) : linear_weights(inside - low);
    for (const double weight : convolve(around, filter)) {
      taps.weights.push_back(static_cast<float>(weight));
    }
    taps.first.push_back(static_cast<int64_t>(low) - radius);
    taps.inside.push_back(position >= -0.5 && position < last + 0.5);
  }
  trim(taps);
  return taps;
}

}  // namespace medcoss
