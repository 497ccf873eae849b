// Cut, antialiased bicubic resize and mirroring of images of bytes, equal to
// ops/cpu/crop_resize.cpp in every byte.
//
// Three kernels: the weights of each image's rows and columns, then a pass along each axis with
// bytes in between, in the order that the image's crop asks for. Weights are computed in float64,
// operation by operation: a contracted product would round elsewhere than the CPU's.
#include <algorithm>

#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/picture_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int threads = 256;
constexpr int rows_per_thread = 4;
constexpr int blend_bits = 22;
constexpr double filter_radius = 2;
// Before the weights of an output row or column: its first input, and their number.
constexpr int64_t head = 2;

// Inputs of one output, at most.
int64_t max_taps(int64_t from, int64_t to) {
  const int64_t stretch = std::max<int64_t>(divide_up(from, to), 1);
  return 2 * static_cast<int64_t>(filter_radius) * stretch + 2;
}

struct Sizes {
  CropResize p;
  int64_t taps_pitch;     // values of an output's weights, with their head
  int64_t between_pitch;  // bytes of an image between the passes
};

Sizes sizes_of(const CropResize& p) {
  const int64_t taps = std::max(max_taps(p.height, p.size), max_taps(p.width, p.size));
  return {p, head + taps, std::max(p.height, p.width) * p.size * p.channels};
}

struct Box {
  int64_t top, left, height, width;
};

__device__ inline int64_t rounded(double position) {
  return static_cast<int64_t>(rint(position));
}

__device__ inline Box box_of(const CropResize& p, int64_t image) {
  if (p.crops == nullptr) return {0, 0, p.height, p.width};
  const float* crop = p.crops + 4 * image;
  const int64_t top = rounded(crop[0]);
  const int64_t left = rounded(crop[1]);
  return {top, left, rounded(__dadd_rn(crop[0], crop[2])) - top,
          rounded(__dadd_rn(crop[1], crop[3])) - left};
}

// Whether Pillow resizes along the height first.
__device__ inline bool height_first(const Box& box, int64_t size) {
  return box.height > size && box.height - size > 2 * (box.width - size);
}

// Keys' cubic with a = -0.5.
__device__ inline double cubic(double x) {
  x = fabs(x);
  if (x < 1) {
    const double inner = __dmul_rn(__dadd_rn(__dmul_rn(1.5, x), -2.5), x);
    return __dadd_rn(__dmul_rn(inner, x), 1);
  }
  if (x >= 2) return 0;
  const double inner = __dadd_rn(__dmul_rn(__dadd_rn(x, -5), x), 8);
  return __dmul_rn(__dadd_rn(__dmul_rn(inner, x), -4), -0.5);
}

__device__ inline int32_t fixed_point(double weight) {
  const double scaled = __dmul_rn(weight, 1 << blend_bits);
  return static_cast<int32_t>(__dadd_rn(scaled, weight < 0 ? -0.5 : 0.5));
}

// [images][2: down, across][size][taps_pitch]
__device__ inline int32_t* taps_of(const Sizes& s, int64_t image, int axis, int64_t output) {
  return s.p.weights + ((image * 2 + axis) * s.p.size + output) * s.taps_pitch;
}

__global__ void __launch_bounds__(threads) make_weights(const __grid_constant__ Sizes s) {
  const int64_t index = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (index >= 2 * s.p.size) return;
  const int axis = index < s.p.size ? 0 : 1;
  const int64_t output = index % s.p.size;
  const Box box = box_of(s.p, blockIdx.y);
  const int64_t from = axis == 0 ? box.height : box.width;

  const double scale = static_cast<double>(from) / static_cast<double>(s.p.size);
  const double stretch = scale > 1 ? scale : 1;
  const double support = __dmul_rn(filter_radius, stretch);
  const double centre = __dmul_rn(static_cast<double>(output) + 0.5, scale);
  const auto low = static_cast<int64_t>(__dadd_rn(__dadd_rn(centre, -support), 0.5));
  const auto high = static_cast<int64_t>(__dadd_rn(__dadd_rn(centre, support), 0.5));
  const int64_t first = low > 0 ? low : 0;
  const int64_t last = high < from ? high : from;
  const auto exact = [&](int64_t k) {
    return cubic(__dadd_rn(__dadd_rn(static_cast<double>(k), -centre), 0.5) / stretch);
  };
  double sum = 0;
  for (int64_t k = first; k < last; ++k) sum = __dadd_rn(sum, exact(k));
  int32_t* taps = taps_of(s, blockIdx.y, axis, output);
  taps[0] = static_cast<int32_t>(first);
  taps[1] = static_cast<int32_t>(last - first);
  for (int64_t k = first; k < last; ++k) taps[head + k - first] = fixed_point(exact(k) / sum);
}

__device__ inline uint8_t clamped(int32_t sum) {
  const int32_t value = sum >> blend_bits;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// What a pass reads and writes of one image: rows of bytes.
struct Pass {
  const uint8_t* in;
  int64_t in_pitch;
  uint8_t* out;
  int64_t out_pitch;  // bytes of a row, all of which are written
  int64_t rows;
  bool mirrored;
};

// Shortens rows: neighbours are `channels` bytes apart. A weight serves several rows.
__device__ inline void blend_across(const Sizes& s, const Pass& pass, int64_t row, int64_t byte) {
  const int64_t channels = s.p.channels;
  const int64_t place = byte / channels;
  const int64_t column = pass.mirrored ? s.p.size - 1 - place : place;
  const int32_t* taps = taps_of(s, blockIdx.y, 1, column);
  const uint8_t* in = pass.in + row * pass.in_pitch + taps[0] * channels + byte % channels;
  int32_t sums[rows_per_thread];
#pragma unroll
  for (int i = 0; i < rows_per_thread; ++i) sums[i] = 1 << (blend_bits - 1);
  for (int k = 0; k < taps[1]; ++k) {
    const int32_t weight = taps[head + k];
#pragma unroll
    for (int i = 0; i < rows_per_thread; ++i) {
      if (row + i < pass.rows) sums[i] += in[i * pass.in_pitch + k * channels] * weight;
    }
  }
#pragma unroll
  for (int i = 0; i < rows_per_thread; ++i) {
    if (row + i < pass.rows) pass.out[(row + i) * pass.out_pitch + byte] = clamped(sums[i]);
  }
}

// Shortens columns. The rows' inputs differ, but are read side by side.
__device__ inline void blend_down(const Sizes& s, const Pass& pass, int64_t row, int64_t byte) {
  const int32_t* taps[rows_per_thread];
  const uint8_t* in[rows_per_thread];
  int32_t count[rows_per_thread];
  int32_t sums[rows_per_thread];
  int32_t longest = 0;
#pragma unroll
  for (int i = 0; i < rows_per_thread; ++i) {
    const bool there = row + i < pass.rows;
    taps[i] = taps_of(s, blockIdx.y, 0, there ? row + i : row);
    in[i] = pass.in + taps[i][0] * pass.in_pitch + byte;
    count[i] = taps[i][1];
    sums[i] = 1 << (blend_bits - 1);
    longest = count[i] > longest ? count[i] : longest;
  }
  for (int k = 0; k < longest; ++k) {
#pragma unroll
    for (int i = 0; i < rows_per_thread; ++i) {
      if (k < count[i]) sums[i] += in[i][k * pass.in_pitch] * taps[i][head + k];
    }
  }
#pragma unroll
  for (int i = 0; i < rows_per_thread; ++i) {
    if (row + i < pass.rows) pass.out[(row + i) * pass.out_pitch + byte] = clamped(sums[i]);
  }
}

// Blocks have tiles of 256 bytes by 4 rows; those beyond the image's crop have nothing to do.
template <bool second>
__global__ void __launch_bounds__(threads)
    blend(const __grid_constant__ Sizes s, int64_t tiles_across) {
  const CropResize& p = s.p;
  const int64_t image = blockIdx.y;
  const Box box = box_of(p, image);
  const bool down_first = height_first(box, p.size);
  const int64_t row_bytes = p.size * p.channels;
  const int64_t middle_pitch = down_first ? box.width * p.channels : row_bytes;
  const int64_t middle_rows = down_first ? p.size : box.height;
  uint8_t* middle = p.between + image * s.between_pitch;
  const int64_t corner = ((image * p.height + box.top) * p.width + box.left) * p.channels;
  const bool mirrored = p.flips != nullptr && (p.flips[image] & 1) != 0;
  const Pass pass = second ? Pass{middle,    middle_pitch, p.out + image * p.size * row_bytes,
                                  row_bytes, p.size,       mirrored}
                           : Pass{p.pixels + corner, p.width * p.channels, middle,
                                  middle_pitch,      middle_rows,          mirrored};
  const int64_t byte = blockIdx.x % tiles_across * threads + threadIdx.x;
  const int64_t row = blockIdx.x / tiles_across * rows_per_thread;
  if (byte >= pass.out_pitch || row >= pass.rows) return;
  if (second == down_first)
    blend_across(s, pass, row, byte);
  else
    blend_down(s, pass, row, byte);
}

}  // namespace

int64_t crop_resize_weights(const CropResize& p) {
  return p.images * 2 * p.size * sizes_of(p).taps_pitch;
}

int64_t crop_resize_between(const CropResize& p) {
  return p.images * sizes_of(p).between_pitch;
}

void crop_resize(const CropResize& p, cudaStream_t stream) {
  const Sizes s = sizes_of(p);
  const auto tiles = [&](int64_t rows, int64_t columns) {
    return divide_up(rows, rows_per_thread) * divide_up(columns * p.channels, threads);
  };
  const int64_t columns = std::max(p.size, p.width);
  launch(make_weights, grid_of(divide_up(2 * p.size, threads), p.images), threads, stream, s);
  launch(blend<false>, grid_of(tiles(std::max(p.size, p.height), columns), p.images), threads,
         stream, s, divide_up(columns * p.channels, threads));
  launch(blend<true>, grid_of(tiles(p.size, p.size), p.images), threads, stream, s,
         divide_up(p.size * p.channels, threads));
}

}  // namespace medcoss::cuda
