// Shape suffixes: H W rows and columns, C channel.
//
// Both passes blend rows of bytes: the one along columns works on the transposed image, in which
// the C planes of a column lie one after another. Mirroring costs nothing: columns are made in
// reverse.
#include "ops/cpu/image_resizer.h"

#include <algorithm>
#include <cmath>

namespace medcoss {

namespace {

constexpr double filter_radius = 2;
// Rows that are turned at once: with the width of a radiograph they stay in the cache.
constexpr int64_t strip = 64;

// Keys' cubic with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// Rounds half away from zero.
int32_t fixed_point(double weight) {
  return static_cast<int32_t>(weight * (1 << blend_bits) + (weight < 0 ? -0.5 : 0.5));
}

inline void put(uint8_t byte, uint8_t* out) {
  *out = byte;
}

inline void put(uint8_t byte, float* out) {
  *out = static_cast<float>(byte) / 255.0F;
}

}  // namespace

void ResizeTaps::set(int64_t from, int64_t to) {
  if (from == from_ && to == to_) return;
  from_ = from;
  to_ = to;
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double stretch = std::max(scale, 1.0);
  const double support = filter_radius * stretch;
  rows_.clear();
  weights_.clear();
  for (int64_t i = 0; i < to; i++) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), from);
    rows_.push_back({first, last - first, weights_.size()});
    add(first, last, centre, stretch);
  }
}

BlendInput ResizeTaps::input(int64_t row, const uint8_t* image, int64_t pitch) const {
  const Row& taps = rows_[row];
  return {image + taps.first * pitch, pitch, weights_.data() + taps.weights, taps.count};
}

void ResizeTaps::add(int64_t first, int64_t last, double centre, double stretch) {
  double sum = 0;
  exact_.clear();
  for (int64_t k = first; k < last; k++) {
    exact_.push_back(cubic((static_cast<double>(k) - centre + 0.5) / stretch));
    sum += exact_.back();
  }
  for (const double weight : exact_) weights_.push_back(fixed_point(weight / sum));
}

template <typename Out>
void ImageResizer::resize(const uint8_t* corner, int64_t pitch, const PixelBox& box, bool flip,
                          Out* out) {
  if (box.height == size_ && box.width == size_ && !flip) return copy(corner, pitch, out);
  down_.set(box.height, size_);
  across_.set(box.width, size_);
  // Clipping between the passes makes their order visible; this is when Pillow 13 shortens the
  // columns first.
  const bool tall = box.height > size_ && box.height - size_ > 2 * (box.width - size_);
  tall ? rows_first(corner, pitch, box.width, flip, out)
       : columns_first(corner, pitch, box, flip, out);
}

// Of the right size already: every weight but one is 0.
template <typename Out>
void ImageResizer::copy(const uint8_t* corner, int64_t pitch, Out* out) {
  const int64_t row = size_ * channels_;
  for (int64_t y = 0; y < size_; y++, out += row) {
    for (int64_t i = 0; i < row; i++) put(corner[y * pitch + i], out + i);
  }
}

template <typename Out>
void ImageResizer::columns_first(const uint8_t* corner, int64_t pitch, const PixelBox& box,
                                 bool flip, Out* out) {
  blend_across(corner, pitch, box.height, box.width, flip);
  const int64_t row = size_ * channels_;
  for (int64_t y = 0; y < size_; y++) {
    blend_rows(down_.input(y, narrow_.data(), row), row, out + y * row);
  }
}

template <typename Out>
void ImageResizer::rows_first(const uint8_t* corner, int64_t pitch, int64_t width, bool flip,
                              Out* out) {
  const int64_t row = width * channels_;
  low_.resize(size_ * row);
  for (int64_t y = 0; y < size_; y++) {
    blend_rows(down_.input(y, corner, pitch), row, low_.data() + y * row);
  }
  blend_across(low_.data(), row, size_, width, flip);
  for (const uint8_t byte : narrow_) put(byte, out++);
}

void ImageResizer::blend_across(const uint8_t* in, int64_t pitch, int64_t height, int64_t width,
                                bool flip) {
  const int64_t row = size_ * channels_;
  narrow_.resize(height * row);
  // The last strip begins early enough to be whole.
  for (int64_t y = 0; y < height; y += strip) {
    const int64_t top = std::max<int64_t>(std::min(y, height - strip), 0);
    blend_strip(in + top * pitch, pitch, std::min(height, strip), width, flip,
                narrow_.data() + top * row);
  }
}

void ImageResizer::blend_strip(const uint8_t* in, int64_t pitch, int64_t height, int64_t width,
                               bool flip, uint8_t* out) {
  const int64_t column = height * channels_;
  turned_.resize(width * column);
  blended_.resize(size_ * column);
  transpose_bytes(in, pitch, height, width * channels_, turned_.data());
  for (int64_t x = 0; x < size_; x++) {
    const int64_t place = flip ? size_ - 1 - x : x;
    blend_rows(across_.input(x, turned_.data(), column), column, blended_.data() + place * column);
  }
  transpose_bytes(blended_.data(), height, size_ * channels_, height, out);
}

template void ImageResizer::resize(const uint8_t*, int64_t, const PixelBox&, bool, uint8_t*);
template void ImageResizer::resize(const uint8_t*, int64_t, const PixelBox&, bool, float*);

}  // namespace medcoss
