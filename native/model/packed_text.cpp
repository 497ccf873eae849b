#include "model/packed_text.h"

#include <ATen/ops/bincount.h>
#include <ATen/ops/nonzero.h>

namespace medcoss {
namespace {

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

bool packs_texts(const Behaviour& behaviour) {
  return !behaviour.causal_text && !behaviour.tiled_text_mask &&
         !behaviour.features_include_padding && !behaviour.distillation_include_padding &&
         !behaviour.plain_blocks;
}

}  // namespace medcoss
