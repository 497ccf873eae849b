#include "ops/cuda/kmeans_samples.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "ops/cpu/kmeans_rules.h"

namespace medcoss::cuda {
namespace {

// Floats that travel at once.
constexpr int64_t copy_floats = 1 << 24;
// A share of the memory that one of two chunks may take.
constexpr int64_t chunk_share = 4;
constexpr int64_t most_chunk_rows = 1 << 30;
constexpr int half_range = 15;

int64_t chunk_rows_for(int64_t samples, int64_t row_bytes, int64_t memory) {
  const int64_t fitting = samples <= most_chunk_rows ? std::max<int64_t>(memory, 0) / row_bytes : 0;
  if (fitting >= samples) return samples;
  const int64_t rows = std::min(memory / row_bytes / chunk_share, most_chunk_rows);
  return std::min(std::max<int64_t>(rows / tile_rows * tile_rows, tile_rows), samples);
}

uint16_t* half_data(const at::Tensor& tensor) {
  return reinterpret_cast<uint16_t*>(tensor.data_ptr());
}

VectorNorms* norm_data(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<VectorNorms*>(tensor.data_ptr<float>()) : nullptr;
}

}  // namespace

HalfVectors SplitTensor::view() const {
  return {half_data(high_NW), half_data(low_NW), norm_data(norms_N4)};
}

KmeansSamples::KmeansSamples(const at::Tensor& data_ND, double largest, int64_t row_bytes,
                             const KmeansPlace& place)
    : data_(data_ND.data_ptr<float>()),
      count_(data_ND.size(0)),
      width_(data_ND.size(1)),
      padded_width_(rounded_up(width_, tile_depth)),
      chunk_rows_(chunk_rows_for(
          count_,
          row_bytes + 4 * (width_ + padded_width_) + static_cast<int64_t>(sizeof(VectorNorms)),
          place.memory)),
      place_(place),
      upload_(place.device, std::min(std::max(copy_floats, width_), chunk_rows_ * width_)) {
  const int buffers = resident() ? 1 : upload_slots;
  for (int i = 0; i < buffers; ++i) buffers_.push_back(empty_split(chunk_rows_));
  if (resident()) load();
  measure(largest);
  if (resident()) split_into(buffers_[0], count_, origin_on_gpu_D_.data_ptr<double>(), {});
}

SplitTensor KmeansSamples::empty_split(int64_t rows) const {
  const auto options = at::TensorOptions().device(place_.device);
  return {at::empty({rows, width_}, options.dtype(at::kFloat)),
          at::empty({rows, padded_width_}, options.dtype(at::kHalf)),
          at::empty({rows, padded_width_}, options.dtype(at::kHalf)),
          at::empty({rows, 4}, options.dtype(at::kFloat))};
}

// All samples into the one buffer.
void KmeansSamples::load() {
  auto* to = buffers_[0].x_ND.data_ptr<float>();
  const int64_t total = count_ * width_;
  const int64_t most = std::min(std::max(copy_floats, width_), total);
  int slot = 0;
  for (int64_t begin = 0; begin < total; begin += most, slot = 1 - slot) {
    upload_.start(slot, data_ + begin, to + begin, std::min(most, total - begin));
    upload_.wait(slot);
  }
}

void KmeansSamples::each_raw(const Raw& visit) {
  if (resident()) {
    visit(buffers_[0].x_ND, 0);
    return;
  }
  const int64_t chunks = (count_ + chunk_rows_ - 1) / chunk_rows_;
  const auto rows = [&](int64_t chunk) {
    return std::min(chunk_rows_, count_ - chunk * chunk_rows_);
  };
  const auto start = [&](int64_t chunk) {
    const auto slot = static_cast<int>(chunk % upload_slots);
    const float* from = data_ + chunk * chunk_rows_ * width_;
    auto* to = buffers_[static_cast<size_t>(slot)].x_ND.data_ptr<float>();
    const int64_t most = copy_floats;
    const int64_t total = rows(chunk) * width_;
    for (int64_t begin = 0; begin < total; begin += most) {
      upload_.start(slot, from + begin, to + begin, std::min(most, total - begin));
    }
  };
  start(0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    if (chunk + 1 < chunks) start(chunk + 1);
    const auto slot = static_cast<int>(chunk % upload_slots);
    upload_.wait(slot);
    visit(buffers_[static_cast<size_t>(slot)].x_ND.narrow(0, 0, rows(chunk)), chunk * chunk_rows_);
    upload_.release(slot);
  }
}

void KmeansSamples::each(const Visit& visit) {
  if (resident()) {
    KmeansChunk whole{buffers_[0], 0, count_};
    visit(whole);
    return;
  }
  each_raw([&](const at::Tensor& x_ND, int64_t begin) {
    const auto slot = static_cast<size_t>(begin / chunk_rows_ % upload_slots);
    const int64_t rows = x_ND.size(0);
    split_into(buffers_[slot], rows, origin_on_gpu_D_.data_ptr<double>(), {});
    KmeansChunk chunk{
        {x_ND, buffers_[slot].high_NW, buffers_[slot].low_NW, buffers_[slot].norms_N4},
        begin,
        rows};
    visit(chunk);
  });
}

at::Tensor KmeansSamples::moments(const at::Tensor& shift_D, const at::Tensor& origin_D) {
  const auto options = at::TensorOptions().device(place_.device).dtype(at::kDouble);
  at::Tensor total_3D = at::zeros({3, width_}, options);
  const at::Tensor shift = shift_D.to(place_.device);
  const at::Tensor origin = origin_D.to(place_.device);
  each_raw([&](const at::Tensor& x_ND, int64_t) {
    const int64_t blocks = (x_ND.size(0) + moment_rows - 1) / moment_rows;
    const at::Tensor sums_2BD = at::empty({2, blocks, width_}, options);
    const at::Tensor largest_BD = at::empty({blocks, width_}, options.dtype(at::kFloat));
    ColumnMoments work{};
    work.x_ND = x_ND.data_ptr<float>();
    work.rows = x_ND.size(0);
    work.width = width_;
    work.shift_D = shift.data_ptr<double>();
    work.origin_D = origin.data_ptr<double>();
    work.sums = sums_2BD.data_ptr<double>();
    work.squares = work.sums + blocks * width_;
    work.largest = largest_BD.data_ptr<float>();
    launched(column_moments(work, current_stream(place_.device)), "column_moments");
    total_3D.narrow(0, 0, 2).add_(sums_2BD.sum(1));
    total_3D.select(0, 2).copy_(
        at::maximum(total_3D.select(0, 2), largest_BD.amax(0).to(at::kDouble)));
  });
  return total_3D.cpu();
}

void KmeansSamples::measure(double largest) {
  const at::Tensor zero_D = at::zeros({width_}, at::kDouble);
  const auto samples = static_cast<double>(count_);
  const at::Tensor mean_D = moments(zero_D, zero_D).select(0, 0) / samples;
  origin_D_ = mean_D.clone();
  auto* origin = origin_D_.data_ptr<double>();
  std::transform(origin, origin + width_, origin, short_value);
  origin_on_gpu_D_ = origin_D_.to(place_.device);
  const at::Tensor about_3D = moments(mean_D, origin_D_);
  variance_ = (about_3D.select(0, 1).sum() / samples).item<double>() / static_cast<double>(width_);
  const double farthest =
      std::max(about_3D.select(0, 2).max().item<double>(),
               largest > 0 ? largest + origin_D_.abs().max().item<double>() : 0.0);
  int exponent = 0;
  std::frexp(farthest, &exponent);
  // Centres are means, so they lie in the same range.
  scale_ = farthest > 0 ? static_cast<float>(std::ldexp(1.0, half_range - exponent)) : 1.0F;
}

at::Tensor KmeansSamples::rows(const std::vector<int64_t>& samples) const {
  const auto wanted = static_cast<int64_t>(samples.size());
  if (resident()) {
    const at::Tensor index = at::tensor(samples, at::kLong).to(place_.device);
    return buffers_[0].x_ND.index_select(0, index);
  }
  at::Tensor result = at::empty({wanted, width_}, at::kFloat);
  auto* to = result.data_ptr<float>();
  const auto* origin = origin_D_.data_ptr<double>();
  for (const int64_t sample : samples) {
    const float* x = data_ + sample * width_;
    for (int64_t i = 0; i < width_; ++i) *to++ = static_cast<float>(x[i] - origin[i]);
  }
  return result.to(place_.device);
}

SplitTensor KmeansSamples::split(const at::Tensor& x_ND, int64_t padded_rows,
                                 const at::Tensor& largest) const {
  SplitTensor result = empty_split(padded_rows);
  result.x_ND = x_ND;
  split_into(result, x_ND.size(0), nullptr, largest);
  return result;
}

void KmeansSamples::split_into(const SplitTensor& to, int64_t rows, const double* origin_D,
                               const at::Tensor& largest) const {
  SplitVectors work{};
  work.x_ND = to.x_ND.data_ptr<float>();
  work.rows = rows;
  work.padded_rows = origin_D != nullptr ? rows : to.high_NW.size(0);
  work.width = width_;
  work.padded_width = padded_width_;
  work.origin_D = origin_D;
  work.scale = scale_;
  work.high_NW = half_data(to.high_NW);
  work.low_NW = half_data(to.low_NW);
  work.norms_N = norm_data(to.norms_N4);
  work.largest = norm_data(largest);
  launched(split_vectors(work, current_stream(place_.device)), "split_vectors");
}

}  // namespace medcoss::cuda
