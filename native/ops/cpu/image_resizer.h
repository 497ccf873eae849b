// Antialiased bicubic resizing of images of bytes, without LibTorch.
//
// Invariant: equal to the bicubic resize of the cut image in Pillow 13, with its 22-bit fixed-point
// weights, its rounding to bytes between the two passes and its order of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/cpu/blend_rows.h"

namespace medcoss {

struct PixelBox {
  int64_t top, left, height, width;
};

// For each output row the input rows that it blends.
class ResizeTaps {
 public:
  // Nothing is computed again for what was set last.
  void set(int64_t from, int64_t to);
  BlendInput input(int64_t row, const uint8_t* image, int64_t pitch) const;

 private:
  struct Row {
    int64_t first, count;
    size_t weights;
  };

  void add(int64_t first, int64_t last, double centre, double stretch);

  int64_t from_ = 0, to_ = 0;
  std::vector<Row> rows_;
  std::vector<int32_t> weights_;
  std::vector<double> exact_;
};

/// Resizes one image after another to a square; its memory is kept between them.
class ImageResizer {
 public:
  ImageResizer(int64_t channels, int64_t size) : channels_(channels), size_(size) {}

  bool makes(int64_t channels, int64_t size) const {
    return channels == channels_ && size == size_;
  }

  /// The box [height,width,C] at `corner`, `pitch` bytes from row to row, to `out` [size,size,C]:
  /// bytes, or floats in [0,1]. `flip` mirrors left-right.
  template <typename Out>
  void resize(const uint8_t* corner, int64_t pitch, const PixelBox& box, bool flip, Out* out);

 private:
  template <typename Out>
  void copy(const uint8_t* corner, int64_t pitch, Out* out);
  template <typename Out>
  void columns_first(const uint8_t* corner, int64_t pitch, const PixelBox& box, bool flip,
                     Out* out);
  template <typename Out>
  void rows_first(const uint8_t* corner, int64_t pitch, int64_t width, bool flip, Out* out);
  // [height][width] -> [height][size] in `narrow_`.
  void blend_across(const uint8_t* in, int64_t pitch, int64_t height, int64_t width, bool flip);
  void blend_strip(const uint8_t* in, int64_t pitch, int64_t height, int64_t width, bool flip,
                   uint8_t* out);

  int64_t channels_, size_;
  ResizeTaps down_, across_;
  std::vector<uint8_t> low_, turned_, blended_, narrow_;
};

}  // namespace medcoss
