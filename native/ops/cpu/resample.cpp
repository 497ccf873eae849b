// Shape suffixes: D H W slices, rows, columns.
//
// A task makes some rows of all slices: it blends input rows, then columns, into a block
// [D, rows, width] that stays in the cache, and blends the block's slices into the output. Every
// output row is made once, so neither the number of threads nor the size of blocks changes a value.
#include "ops/cpu/resample.h"

#include <ATen/Parallel.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/cpu/resample_taps.h"

namespace medcoss {

namespace {

#if defined(__x86_64__)
// Without fused products, so that every processor gives the same values.
#define MEDCOSS_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MEDCOSS_CLONES
#endif

using Eight = float __attribute__((vector_size(32), aligned(4)));
constexpr int64_t lanes = 8;
constexpr int64_t eights = 4;

// Floats of a block.
constexpr int64_t block_size = 1 << 18;
constexpr int64_t most_rows = 32;

// The weighted sum of rows.
MEDCOSS_CLONES void blend(const float* const* rows, const float* weights, int64_t count,
                          int64_t length, float* out) {
  constexpr int64_t step = lanes * eights;
  int64_t x = 0;
  for (; x + step <= length; x += step) {
    Eight sums[eights] = {};
    for (int64_t k = 0; k < count; k++) {
      const auto* row = reinterpret_cast<const Eight*>(rows[k] + x);
      for (int64_t v = 0; v < eights; v++) sums[v] += row[v] * weights[k];
    }
    for (int64_t v = 0; v < eights; v++) reinterpret_cast<Eight*>(out + x)[v] = sums[v];
  }
  for (; x < length; x++) {
    float sum = 0;
    for (int64_t k = 0; k < count; k++) sum += rows[k][x] * weights[k];
    out[x] = sum;
  }
}

float sum_of(const Eight& v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// out[i] = the weighted sum of row[at[i]], row[at[i] + 1], ...; `count` is 1, 2 or a multiple of 8.
MEDCOSS_CLONES void gather(const float* row, const int64_t* at, const float* weights, int64_t count,
                           int64_t length, float* out) {
  if (count == 1) {
    for (int64_t i = 0; i < length; i++) out[i] = row[at[i]] * weights[i];
    return;
  }
  if (count == 2) {
    for (int64_t i = 0; i < length; i++) {
      out[i] = row[at[i]] * weights[2 * i] + row[at[i] + 1] * weights[2 * i + 1];
    }
    return;
  }
  for (int64_t i = 0; i < length; i++) {
    Eight sums = {};
    const auto* values = reinterpret_cast<const Eight*>(row + at[i]);
    const auto* factors = reinterpret_cast<const Eight*>(weights + i * count);
    for (int64_t v = 0; v < count / lanes; v++) sums += values[v] * factors[v];
    out[i] = sum_of(sums);
  }
}

MEDCOSS_CLONES void to_floats(const uint8_t* in, int64_t length, float* out) {
  for (int64_t i = 0; i < length; i++) out[i] = static_cast<float>(in[i]);
}

MEDCOSS_CLONES void to_floats(const int16_t* in, int64_t length, float* out) {
  for (int64_t i = 0; i < length; i++) out[i] = static_cast<float>(in[i]);
}

void to_floats(const float* in, int64_t length, float* out) {
  std::copy_n(in, length, out);
}

MEDCOSS_CLONES void to_integers(const float* in, int64_t length, int16_t* out) {
  constexpr float low = std::numeric_limits<int16_t>::min();
  constexpr float high = std::numeric_limits<int16_t>::max();
  for (int64_t i = 0; i < length; i++) {
    out[i] = static_cast<int16_t>(std::nearbyint(std::min(high, std::max(low, in[i]))));
  }
}

// The columns' taps, for `gather`: positions count from the start of a row with its margins.
struct Columns {
  AxisTaps taps;
  int64_t before;
  int64_t padded;
  std::vector<int64_t> at;
  std::vector<float> weights;
  int64_t count;

  Columns(AxisTaps given, int64_t width) : taps(std::move(given)) {
    count = taps.count > 2 ? (taps.count + lanes - 1) / lanes * lanes : taps.count;
    before = std::max<int64_t>(0, -taps.begin());
    padded = before + std::max(width, taps.end()) + lanes;
    weights.resize(static_cast<size_t>(taps.size() * count));
    for (int64_t i = 0; i < taps.size(); i++) {
      at.push_back(taps.first[static_cast<size_t>(i)] + before);
      std::copy_n(taps.of(i), taps.count, weights.data() + i * count);
    }
  }

  // Mirrors a row of `width` that stands at `before` into its margins.
  void fill_margins(float* row, int64_t width) const {
    float* start = row + before;
    for (int64_t x = -before; x < 0; x++) start[x] = start[mirror(x, width)];
    for (int64_t x = width; x < taps.end(); x++) start[x] = start[mirror(x, width)];
  }
};

template <typename Element>
class Resampler {
 public:
  Resampler(const at::Tensor& voxels_DHW, const ResampleOptions& options)
      : in_(voxels_DHW.const_data_ptr<Element>()),
        depth_(voxels_DHW.size(0)),
        height_(voxels_DHW.size(1)),
        width_(voxels_DHW.size(2)),
        options_(options),
        slices_(make_taps(options.grid[0], depth_, options)),
        rows_(make_taps(options.grid[1], height_, options)),
        columns_(make_taps(options.grid[2], width_, options), width_),
        used_(static_cast<size_t>(depth_)) {
    for (const int64_t first : slices_.first) {
      for (int64_t k = 0; k < slices_.count; k++) used_[to_size(mirror(first + k, depth_))] = 1;
    }
    if (options.keep_range) {
      const auto [low, high] = at::aminmax(voxels_DHW);
      low_ = low.template item<float>();
      high_ = high.template item<float>();
    }
  }

  template <typename Output>
  void run(Output* out) const {
    const int64_t height = options_.grid[1].size;
    const int64_t row_size = depth_ * options_.grid[2].size;
    const int64_t fair = (height + at::get_num_threads() - 1) / at::get_num_threads();
    const int64_t rows = std::clamp<int64_t>(block_size / row_size, 1, std::min(fair, most_rows));
    const int64_t tasks = (height + rows - 1) / rows;
    at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> block(static_cast<size_t>(rows * row_size));
      for (int64_t task = begin; task < end; task++) {
        const int64_t first = task * rows;
        const int64_t count = std::min(rows, height - first);
        make_block(first, count, block.data());
        write_rows(block.data(), first, count, out);
      }
    });
  }

 private:
  static size_t to_size(int64_t i) { return static_cast<size_t>(i); }

  // Rows `first` on of every slice that is needed, [D, count, width].
  void make_block(int64_t first, int64_t count, float* block) const {
    const auto [low, high] = window(first, count);
    std::vector<float> input(to_size((high - low) * width_));
    std::vector<float> row(to_size(columns_.padded));
    std::vector<const float*> sources(to_size(rows_.count));
    const int64_t width = options_.grid[2].size;
    for (int64_t z = 0; z < depth_; z++) {
      if (!used_[to_size(z)]) continue;
      to_floats(in_ + (z * height_ + low) * width_, (high - low) * width_, input.data());
      for (int64_t i = 0; i < count; i++) {
        const int64_t start = rows_.first[to_size(first + i)];
        for (int64_t k = 0; k < rows_.count; k++) {
          sources[to_size(k)] = input.data() + (mirror(start + k, height_) - low) * width_;
        }
        blend(sources.data(), rows_.of(first + i), rows_.count, width_,
              row.data() + columns_.before);
        columns_.fill_margins(row.data(), width_);
        gather(row.data(), columns_.at.data(), columns_.weights.data(), columns_.count, width,
               block + (z * count + i) * width);
      }
    }
  }

  // The input rows that output rows need, from and to.
  std::pair<int64_t, int64_t> window(int64_t first, int64_t count) const {
    int64_t low = height_;
    int64_t high = 0;
    for (int64_t i = first; i < first + count; i++) {
      for (int64_t k = 0; k < rows_.count; k++) {
        const int64_t row = mirror(rows_.first[to_size(i)] + k, height_);
        low = std::min(low, row);
        high = std::max(high, row + 1);
      }
    }
    return {low, high};
  }

  template <typename Output>
  void write_rows(const float* block, int64_t first, int64_t count, Output* out) const {
    const int64_t area = count * options_.grid[2].size;
    std::vector<float> part(to_size(area));
    std::vector<const float*> sources(to_size(slices_.count));
    for (int64_t z = 0; z < options_.grid[0].size; z++) {
      for (int64_t k = 0; k < slices_.count; k++) {
        sources[to_size(k)] = block + mirror(slices_.first[to_size(z)] + k, depth_) * area;
      }
      blend(sources.data(), slices_.of(z), slices_.count, area, part.data());
      if (options_.keep_range) {
        for (float& value : part) value = std::min(high_, std::max(low_, value));
      }
      if (options_.outside) fill_outside(z, first, count, part.data());
      const int64_t target = (z * options_.grid[1].size + first) * options_.grid[2].size;
      if constexpr (std::is_same_v<Output, float>)
        std::copy_n(part.data(), area, out + target);
      else
        to_integers(part.data(), area, out + target);
    }
  }

  void fill_outside(int64_t z, int64_t first, int64_t count, float* part) const {
    const auto filler = static_cast<float>(*options_.outside);
    const int64_t width = options_.grid[2].size;
    for (int64_t i = 0; i < count; i++) {
      const bool inside = slices_.inside[to_size(z)] && rows_.inside[to_size(first + i)];
      for (int64_t x = 0; x < width; x++) {
        if (!inside || !columns_.taps.inside[to_size(x)]) part[i * width + x] = filler;
      }
    }
  }

  const Element* in_;
  int64_t depth_, height_, width_;
  const ResampleOptions& options_;
  AxisTaps slices_, rows_;
  Columns columns_;
  std::vector<char> used_;
  float low_ = 0, high_ = 0;
};

template <typename Element>
void run(const at::Tensor& voxels_DHW, const ResampleOptions& options, const at::Tensor& out) {
  const Resampler<Element> resampler(voxels_DHW, options);
  if (options.to_int16)
    resampler.run(out.data_ptr<int16_t>());
  else
    resampler.run(out.data_ptr<float>());
}

}  // namespace

at::Tensor resample(const at::Tensor& voxels_DHW, const ResampleOptions& options) {
  const at::Tensor voxels = voxels_DHW.contiguous();
  const auto& grid = options.grid;
  const at::Tensor out = at::empty({grid[0].size, grid[1].size, grid[2].size},
                                   options.to_int16 ? at::kShort : at::kFloat);
  switch (voxels.scalar_type()) {
    case at::kByte:
      run<uint8_t>(voxels, options, out);
      break;
    case at::kShort:
      run<int16_t>(voxels, options, out);
      break;
    default:
      run<float>(voxels, options, out);
  }
  return out;
}

}  // namespace medcoss
