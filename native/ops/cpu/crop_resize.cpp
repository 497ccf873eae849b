// Shape suffixes: B image, H W rows and columns, C channel.
//
// Both passes are one kernel that blends rows: the horizontal pass works on the transposed image,
// so that its inner loop runs over contiguous bytes too.
#include "ops/cpu/crop_resize.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/error.h"

namespace medcoss {

namespace {

constexpr int weight_bits = 22;
constexpr double filter_radius = 2;

// Keys' cubic with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// For each output row the input rows that it blends.
struct Taps {
  struct Row {
    int64_t first;
    std::vector<int32_t> weights;
  };
  std::vector<Row> rows;
};

Taps make_taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double stretch = std::max(scale, 1.0);
  const double support = filter_radius * stretch;
  Taps taps;
  std::vector<double> weights;
  for (int64_t i = 0; i < to; i++) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), from);
    double sum = 0;
    weights.clear();
    for (int64_t k = first; k < last; k++) {
      weights.push_back(cubic((static_cast<double>(k) - centre + 0.5) / stretch));
      sum += weights.back();
    }
    Taps::Row row{first, {}};
    for (const double weight : weights) {
      row.weights.push_back(static_cast<int32_t>(std::lround(weight / sum * (1 << weight_bits))));
    }
    taps.rows.push_back(std::move(row));
  }
  return taps;
}

// Integer products need AVX2 for speed; the choice is made when the library is loaded.
__attribute__((target_clones("avx2", "default"))) void add_row(int32_t* sums, const uint8_t* row,
                                                               int32_t weight, int64_t length) {
  for (int64_t i = 0; i < length; i++) sums[i] += row[i] * weight;
}

__attribute__((target_clones("avx2", "default"))) void round_row(uint8_t* out, const int32_t* sums,
                                                                 int64_t length) {
  for (int64_t i = 0; i < length; i++) {
    out[i] = static_cast<uint8_t>(std::clamp(sums[i] >> weight_bits, 0, 255));
  }
}

// [from, length] -> [to, length].
void blend_rows(const uint8_t* in, int64_t length, const Taps& taps, uint8_t* out) {
  std::vector<int32_t> sums(static_cast<size_t>(length));
  for (const auto& row : taps.rows) {
    std::fill(sums.begin(), sums.end(), 1 << (weight_bits - 1));
    for (size_t k = 0; k < row.weights.size(); k++) {
      add_row(sums.data(), in + (row.first + static_cast<int64_t>(k)) * length, row.weights[k],
              length);
    }
    round_row(out, sums.data(), length);
    out += length;
  }
}

// Rows and columns exchanged, pixels of C bytes kept: out[x][y] = in[y][x], `pitch` bytes between
// the rows of `in`.
template <int C>
void transpose(const uint8_t* in, int64_t pitch, int64_t height, int64_t width, uint8_t* out) {
  for (int64_t x = 0; x < width; x++) {
    for (int64_t y = 0; y < height; y++) {
      const uint8_t* pixel = in + y * pitch + x * C;
      for (int c = 0; c < C; c++) *out++ = pixel[c];
    }
  }
}

struct Box {
  int64_t top, left, height, width;
};

Box whole_box(float top, float left, float height, float width) {
  const auto rounded = [](double edge) { return static_cast<int64_t>(std::nearbyint(edge)); };
  const Box box{rounded(top), rounded(left), 0, 0};
  return {box.top, box.left, rounded(double{top} + height) - box.top,
          rounded(double{left} + width) - box.left};
}

template <int C>
void write_image(const uint8_t* in, int64_t size, bool flip, float* out) {
  for (int64_t y = 0; y < size; y++) {
    for (int64_t x = 0; x < size; x++) {
      const uint8_t* pixel = in + (y * size + (flip ? size - 1 - x : x)) * C;
      for (int c = 0; c < C; c++) *out++ = static_cast<float>(pixel[c]) / 255.0F;
    }
  }
}

// Resizes rows, then columns: [height][width] in `image` -> [size][size] transposed.
template <int C>
std::vector<uint8_t> resize_both(const std::vector<uint8_t>& image, int64_t height, int64_t width,
                                 int64_t size) {
  std::vector<uint8_t> rows(size * width * C);
  std::vector<uint8_t> turned(rows.size());
  std::vector<uint8_t> done(size * size * C);
  blend_rows(image.data(), width * C, make_taps(height, size), rows.data());
  transpose<C>(rows.data(), width * C, size, width, turned.data());
  blend_rows(turned.data(), size * C, make_taps(width, size), done.data());
  return done;
}

template <int C>
void resize_one(const uint8_t* image, int64_t image_width, const Box& box, bool flip, int64_t size,
                float* out) {
  const uint8_t* corner = image + (box.top * image_width + box.left) * C;
  const int64_t pitch = image_width * C;
  std::vector<uint8_t> cut(box.height * box.width * C);
  // Clipping between the passes makes their order visible; this is when Pillow 13 shortens the
  // columns first.
  if (box.height > size && box.height - size > 2 * (box.width - size)) {
    for (int64_t y = 0; y < box.height; y++) {
      std::copy_n(corner + y * pitch, box.width * C, cut.data() + y * box.width * C);
    }
    const auto turned = resize_both<C>(cut, box.height, box.width, size);
    std::vector<uint8_t> done(turned.size());
    transpose<C>(turned.data(), size * C, size, size, done.data());
    write_image<C>(done.data(), size, flip, out);
  } else {
    transpose<C>(corner, pitch, box.height, box.width, cut.data());
    write_image<C>(resize_both<C>(cut, box.width, box.height, size).data(), size, flip, out);
  }
}

}  // namespace

at::Tensor crop_resize(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                       const at::Tensor& flips_B, int64_t size) {
  const at::Tensor pixels = pixels_BHWC.contiguous();
  const int64_t count = pixels.size(0);
  const int64_t height = pixels.size(1);
  const int64_t width = pixels.size(2);
  const int64_t channels = pixels.size(3);
  if (channels != 1 && channels != 3) refuse("channels", "1 or 3", std::to_string(channels));
  const at::Tensor crops = crops_B4.defined() ? crops_B4.contiguous() : crops_B4;
  const at::Tensor flips = flips_B.defined() ? flips_B.contiguous() : flips_B;
  const at::Tensor out = at::empty({count, size, size, channels}, at::kFloat);

  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float* crop = crops.defined() ? crops.const_data_ptr<float>() + 4 * i : nullptr;
      const Box box =
          crop ? whole_box(crop[0], crop[1], crop[2], crop[3]) : Box{0, 0, height, width};
      const bool flip = flips.defined() && (flips.const_data_ptr<uint8_t>()[i] & 1) != 0;
      const auto resize = channels == 1 ? resize_one<1> : resize_one<3>;
      resize(pixels.const_data_ptr<uint8_t>() + i * height * width * channels, width, box, flip,
             size, out.data_ptr<float>() + i * size * size * channels);
    }
  });
  return out;
}

}  // namespace medcoss
