#include "model/packed_text.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/nonzero.h>

#include <algorithm>

namespace medcoss {
namespace {

// Of rows on a device.
constexpr int64_t row_step = 1024;

Sequences by_text(const at::Tensor& position_N, int64_t texts, int64_t length) {
  const at::Tensor counts = position_N.floor_divide(length).bincount({}, texts);
  const auto* count = counts.const_data_ptr<int64_t>();
  return Sequences(std::vector<int64_t>(count, count + texts));
}

}  // namespace

PackedText::PackedText(const TextInput& input) {
  const int64_t length = input.ids_BL.size(1);
  row_N = input.real_BL.flatten().nonzero().flatten();
  ids_N = input.ids_BL.flatten().index_select(0, row_N);
  place_N = row_N.remainder(length);
  sequences = by_text(row_N, input.ids_BL.size(0), length);
}

WantedRows PackedText::wanted(const TextInput& input, const at::Tensor& position_Q) const {
  const at::Tensor real = input.real_BL.flatten();
  if (!real.index_select(0, position_Q).all().item<bool>()) return {};
  const at::Tensor place = real.cumsum(0, at::kLong).sub_(1);
  return {place.index_select(0, position_Q),
          by_text(position_Q, input.ids_BL.size(0), input.ids_BL.size(1))};
}

FilledText::FilledText(const TextInput& input, int64_t longest_text, int64_t least_rows)
    : longest(longest_text) {
  const PackedText packed(input);
  const int64_t real = packed.ids_N.size(0);
  const int64_t rows = (std::max(real, least_rows) + row_step - 1) / row_step * row_step;
  const auto filled = [&](const at::Tensor& x_N) {
    return at::constant_pad_nd(x_N, {0, rows - x_N.size(0)}, 0);
  };
  ids_N = filled(packed.ids_N);
  place_N = filled(packed.place_N);
  owner_N = filled(packed.row_N.floor_divide(input.ids_BL.size(1)));
  real_N = at::arange(rows, at::kLong).lt(real);
  // As many as the most rows of filling need, so that their number repeats too; the last are empty.
  const int64_t texts = packed.sequences.count();
  const int64_t fillings = 2 * row_step / longest + 1;
  starts = at::full({texts + fillings + 1}, rows, at::kInt);
  auto* start = starts.mutable_data_ptr<int32_t>();
  for (int64_t i = 0; i < texts; ++i) start[i] = static_cast<int32_t>(packed.sequences.start(i));
  for (int64_t i = 0; i < fillings; ++i) {
    start[texts + i] = static_cast<int32_t>(std::min(real + i * longest, rows));
  }
}

bool packs_texts(const Behaviour& behaviour) {
  return !behaviour.tiled_text_mask && !behaviour.features_include_padding &&
         !behaviour.distillation_include_padding && behaviour.blocks != BlockForm::modules;
}

}  // namespace medcoss
