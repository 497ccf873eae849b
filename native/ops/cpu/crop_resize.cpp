// Shape suffixes: B image, H W rows and columns, C channel.
//
// Both passes blend rows of bytes: the one along columns works on the transposed image, in which
// the C planes of a column lie one after another. Mirroring costs nothing: columns are made in
// reverse.
#include "ops/cpu/crop_resize.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/blend_rows.h"
#include "support/error.h"

namespace medcoss {

namespace {

constexpr double filter_radius = 2;

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

// For each output row the input rows that it blends.
class Taps {
 public:
  void set(int64_t from, int64_t to) {
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

  BlendInput input(int64_t row, const uint8_t* image, int64_t pitch) const {
    const Row& taps = rows_[row];
    return {image + taps.first * pitch, pitch, weights_.data() + taps.weights, taps.count};
  }

 private:
  struct Row {
    int64_t first, count;
    size_t weights;
  };

  void add(int64_t first, int64_t last, double centre, double stretch) {
    double sum = 0;
    exact_.clear();
    for (int64_t k = first; k < last; k++) {
      exact_.push_back(cubic((static_cast<double>(k) - centre + 0.5) / stretch));
      sum += exact_.back();
    }
    for (const double weight : exact_) weights_.push_back(fixed_point(weight / sum));
  }

  std::vector<Row> rows_;
  std::vector<int32_t> weights_;
  std::vector<double> exact_;
};

struct Box {
  int64_t top, left, height, width;
};

Box whole_box(float top, float left, float height, float width) {
  const auto rounded = [](double edge) { return static_cast<int64_t>(std::nearbyint(edge)); };
  const Box box{rounded(top), rounded(left), 0, 0};
  return {box.top, box.left, rounded(double{top} + height) - box.top,
          rounded(double{left} + width) - box.left};
}

// Resizes one image after another; its memory is kept between them.
class Resizer {
 public:
  Resizer(int64_t channels, int64_t size) : channels_(channels), size_(size) {}

  // The box at `corner`, `pitch` bytes from row to row.
  void resize(const uint8_t* corner, int64_t pitch, const Box& box, bool flip, float* out) {
    down_.set(box.height, size_);
    across_.set(box.width, size_);
    // Clipping between the passes makes their order visible; this is when Pillow 13 shortens the
    // columns first.
    const bool tall = box.height > size_ && box.height - size_ > 2 * (box.width - size_);
    tall ? rows_first(corner, pitch, box.width, flip, out)
         : columns_first(corner, pitch, box, flip, out);
  }

 private:
  void columns_first(const uint8_t* corner, int64_t pitch, const Box& box, bool flip, float* out) {
    blend_across(corner, pitch, box.height, box.width, flip);
    const int64_t row = size_ * channels_;
    for (int64_t y = 0; y < size_; y++) {
      blend_rows(down_.input(y, narrow_.data(), row), row, out + y * row);
    }
  }

  void rows_first(const uint8_t* corner, int64_t pitch, int64_t width, bool flip, float* out) {
    const int64_t row = width * channels_;
    low_.resize(size_ * row);
    for (int64_t y = 0; y < size_; y++) {
      blend_rows(down_.input(y, corner, pitch), row, low_.data() + y * row);
    }
    blend_across(low_.data(), row, size_, width, flip);
    std::transform(narrow_.begin(), narrow_.end(), out,
                   [](uint8_t byte) { return static_cast<float>(byte) / 255.0F; });
  }

  // [height][width] -> [height][size] in `narrow_`.
  void blend_across(const uint8_t* in, int64_t pitch, int64_t height, int64_t width, bool flip) {
    const int64_t column = height * channels_;
    turned_.resize(width * column);
    blended_.resize(size_ * column);
    narrow_.resize(size_ * column);
    transpose_bytes(in, pitch, height, width * channels_, turned_.data());
    for (int64_t x = 0; x < size_; x++) {
      const int64_t place = flip ? size_ - 1 - x : x;
      blend_rows(across_.input(x, turned_.data(), column), column,
                 blended_.data() + place * column);
    }
    transpose_bytes(blended_.data(), height, size_ * channels_, height, narrow_.data());
  }

  int64_t channels_, size_;
  Taps down_, across_;
  std::vector<uint8_t> low_, turned_, blended_, narrow_;
};

}  // namespace

at::Tensor crop_resize(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                       const at::Tensor& flips_B, int64_t size) {
  const at::Tensor out =
      at::empty({pixels_BHWC.size(0), size, size, pixels_BHWC.size(3)}, at::kFloat);
  crop_resize_into(pixels_BHWC, crops_B4, flips_B, out);
  return out;
}

void crop_resize_into(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                      const at::Tensor& flips_B, const at::Tensor& out_BSSC) {
  const at::Tensor pixels = pixels_BHWC.contiguous();
  const int64_t count = pixels.size(0);
  const int64_t height = pixels.size(1);
  const int64_t width = pixels.size(2);
  const int64_t channels = pixels.size(3);
  if (channels != 1 && channels != 3) refuse("channels", "1 or 3", std::to_string(channels));
  const at::Tensor crops = crops_B4.defined() ? crops_B4.contiguous() : crops_B4;
  const at::Tensor flips = flips_B.defined() ? flips_B.contiguous() : flips_B;
  const int64_t size = out_BSSC.size(1);

  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    Resizer resizer(channels, size);
    for (int64_t i = begin; i < end; i++) {
      const float* crop = crops.defined() ? crops.const_data_ptr<float>() + 4 * i : nullptr;
      const Box box =
          crop ? whole_box(crop[0], crop[1], crop[2], crop[3]) : Box{0, 0, height, width};
      const bool flip = flips.defined() && (flips.const_data_ptr<uint8_t>()[i] & 1) != 0;
      const int64_t corner = ((i * height + box.top) * width + box.left) * channels;
      resizer.resize(pixels.const_data_ptr<uint8_t>() + corner, width * channels, box, flip,
                     out_BSSC.data_ptr<float>() + i * size * size * channels);
    }
  });
}

}  // namespace medcoss
