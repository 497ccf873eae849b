#include "train/step/mixup.h"

#include <ATen/ops/where.h>

namespace medcoss {

VisualInput mixup(const VisualInput& input, const VisualMix& mix) {
  const at::Tensor& own = input.patches_BLV;
  const at::Tensor weight = mix.weight_B.view({-1, 1, 1});
  at::Tensor mixed = own.index_select(0, mix.partner_B).mul_(1 - weight);
  return {input.kind, mixed.addcmul_(own, weight)};
}

TextInput mixup(const TextInput& input, const StepDraws& draws, bool real_spans) {
  const int64_t batch = input.ids_BL.size(0);
  const at::Tensor partner = draws.partner(batch);
  const at::Tensor ids = input.ids_BL.index_select(0, partner);
  const at::Tensor real = input.real_BL.index_select(0, partner);
  at::Tensor keep = draws.keep(batch, input.ids_BL.size(1));
  if (real_spans) keep = keep.logical_or(input.real_BL.logical_and(real).logical_not());
  return text_input(at::where(keep, input.ids_BL, ids), at::where(keep, input.real_BL, real));
}

}  // namespace medcoss
