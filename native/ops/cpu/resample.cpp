// Shape suffixes: D H W slices, rows, columns.
//
// The four input rows around an output row are blended once over contiguous memory; only the last
// axis gathers.
#include "ops/cpu/resample.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace medcoss {

namespace {

constexpr int64_t rows_per_task = 64;

struct Tap {
  int64_t low;
  int64_t high;
  float weight;  // of `high`
  bool inside;
};

std::vector<Tap> make_taps(const ResampleAxis& axis, int64_t count) {
  std::vector<Tap> taps;
  const auto last = static_cast<double>(count - 1);
  for (int64_t i = 0; i < axis.size; i++) {
    const double position = static_cast<double>(i) * axis.scale + axis.shift;
    const double clamped = std::clamp(position, 0.0, last);
    const auto low = static_cast<int64_t>(clamped);
    taps.push_back({low, std::min(low + 1, count - 1),
                    static_cast<float>(clamped - static_cast<double>(low)),
                    position >= -0.5 && position < last + 0.5});
  }
  return taps;
}

struct Plane {
  const float* voxels;
  int64_t height;
  int64_t width;
  const float* row(int64_t z, int64_t y) const { return voxels + (z * height + y) * width; }
};

void blend_rows(const Plane& in, const Tap& z, const Tap& y, float* out) {
  const float* a = in.row(z.low, y.low);
  const float* b = in.row(z.low, y.high);
  const float* c = in.row(z.high, y.low);
  const float* d = in.row(z.high, y.high);
  for (int64_t x = 0; x < in.width; x++) {
    const float near = a[x] + (b[x] - a[x]) * y.weight;
    const float far = c[x] + (d[x] - c[x]) * y.weight;
    out[x] = near + (far - near) * z.weight;
  }
}

}  // namespace

at::Tensor resample(const at::Tensor& voxels_DHW, const ResampleGrid& grid,
                    std::optional<double> outside) {
  const at::Tensor voxels = voxels_DHW.contiguous();
  const auto z_taps = make_taps(grid[0], voxels.size(0));
  const auto y_taps = make_taps(grid[1], voxels.size(1));
  const auto x_taps = make_taps(grid[2], voxels.size(2));
  const Plane in{voxels.const_data_ptr<float>(), voxels.size(1), voxels.size(2)};
  const at::Tensor out = at::empty({grid[0].size, grid[1].size, grid[2].size}, at::kFloat);
  const auto filler = static_cast<float>(outside.value_or(0));
  const auto is_out = [&](const Tap& tap) { return outside && !tap.inside; };

  at::parallel_for(0, grid[0].size * grid[1].size, rows_per_task, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(in.width));
    for (int64_t i = begin; i < end; i++) {
      const Tap& z = z_taps[static_cast<size_t>(i / grid[1].size)];
      const Tap& y = y_taps[static_cast<size_t>(i % grid[1].size)];
      float* target = out.data_ptr<float>() + i * grid[2].size;
      if (is_out(z) || is_out(y)) {
        std::fill_n(target, grid[2].size, filler);
        continue;
      }
      blend_rows(in, z, y, row.data());
      for (const Tap& x : x_taps) {
        const float low = row[static_cast<size_t>(x.low)];
        const float value = low + (row[static_cast<size_t>(x.high)] - low) * x.weight;
        *target++ = is_out(x) ? filler : value;
      }
    }
  });
  return out;
}

}  // namespace medcoss
