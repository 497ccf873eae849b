#include "train/step/objectives.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/nonzero.h>

#include <algorithm>

#include "ops/autograd/feature_distance.h"
#include "ops/autograd/patch_loss.h"
#include "support/error.h"

namespace medcoss {
namespace {

// Rows of [B,L,W] at flat positions [N].
at::Tensor rows_at(const at::Tensor& x_BLW, const at::Tensor& position_N) {
  return x_BLW.flatten(0, 1).index_select(0, position_N);
}

at::Tensor target_of(const Pair& pair, const VisualInput& input, const Masking& masking) {
  if (pair.targets_BLW.defined()) return pair.targets_BLW;
  const at::NoGradGuard no_grad;
  return pair.teacher->encode_visual(input, masking, pair.teacher_draws);
}

at::Tensor target_of(const Pair& pair, const TextInput& input) {
  if (pair.targets_BLW.defined()) return pair.targets_BLW;
  const at::NoGradGuard no_grad;
  return pair.teacher->encode_text(input, pair.teacher_draws);
}

// Texts may have been trimmed since their targets were made.
at::Tensor distance_to(const at::Tensor& target, const at::Tensor& encoded,
                       const at::Tensor& real_BL = {}) {
  const bool fits = target.size(0) == encoded.size(0) && target.size(1) >= encoded.size(1) &&
                    target.size(2) == encoded.size(2) &&
                    (real_BL.defined() || target.size(1) == encoded.size(1));
  if (!fits) refuse("targets", "features of the batch", "another shape");
  return feature_distance(encoded, target.narrow(1, 0, encoded.size(1)), real_BL);
}

}  // namespace

Labels::Labels(const at::Tensor& labels_BL, int64_t length) {
  const at::Tensor flat = labels_BL.narrow(1, 0, length).to(at::kLong).flatten();
  position_N = flat.ne(no_label).nonzero().flatten();
  id_N = flat.index_select(0, position_N);
}

Outcome masked_patches(const Network& network, const VisualInput& input, const at::Tensor& noise,
                       const Stochastic& stochastic) {
  Outcome result;
  result.masking = random_masking(noise, network.behaviour().mask_ratio);
  result.encoded = network.encode_visual(input, result.masking, stochastic);
  const at::Tensor hidden = network.decoder().forward(result.encoded, result.masking, input.kind);
  const at::Tensor predicted = network.decoder().predict(hidden, input.kind);
  result.loss = patch_loss(predicted, input.patches_BLV, result.masking.removed_BR);
  return result;
}

Outcome masked_words(const Network& network, const TextInput& input, const Labels& labels,
                     const Stochastic& stochastic) {
  const at::Tensor rows = network.encode_text_rows(input, stochastic, labels.position_N);
  Outcome result;
  result.loss = network.word_loss(rows, labels.id_N);
  return result;
}

Outcome masked_words_whole(const Network& network, const TextInput& input, const Labels& labels,
                           const Stochastic& stochastic) {
  Outcome result;
  result.encoded = network.encode_text(input, stochastic);
  const at::Tensor rows = rows_at(result.encoded, labels.position_N);
  result.loss = network.word_loss(rows, labels.id_N);
  return result;
}

Outcome masked_words(const Network& network, const FilledText& text, const Labels& labels,
                     const Stochastic& stochastic) {
  const at::Tensor rows = network.encode_filled(text, stochastic, labels.position_N);
  Outcome result;
  result.loss = network.word_loss(rows, labels.id_N);
  return result;
}

Outcome distil(const Pair& pair, const VisualInput& mixed, const at::Tensor& noise) {
  Outcome result;
  result.masking = random_masking(noise, pair.student.behaviour().mask_ratio);
  const at::Tensor target = target_of(pair, mixed, result.masking);
  result.encoded = pair.student.encode_visual(mixed, result.masking, pair.student_draws);
  result.loss = distance_to(target, result.encoded);
  return result;
}

Outcome distil(const Pair& pair, const TextInput& mixed) {
  Outcome result;
  const at::Tensor target = target_of(pair, mixed);
  result.encoded = pair.student.encode_text(mixed, pair.student_draws);
  const bool padding = pair.student.behaviour().distillation_include_padding;
  result.loss = distance_to(target, result.encoded, padding ? at::Tensor() : mixed.real_BL);
  return result;
}

Outcome distil(const Pair& pair, const FilledText& mixed) {
  at::Tensor target;
  {
    const at::NoGradGuard no_grad;
    target = pair.teacher->encode_filled(mixed, pair.teacher_draws);
  }
  Outcome result;
  result.encoded = pair.student.encode_filled(mixed, pair.student_draws);
  result.loss =
      feature_distance(result.encoded.unsqueeze(0), target.unsqueeze(0), mixed.real_N.unsqueeze(0));
  return result;
}

TextInput trimmed(const TextInput& input, int64_t step) {
  const at::Tensor used = input.real_BL.any(0).nonzero();
  const int64_t longest = used.max().item<int64_t>() + 1;
  const int64_t length = std::min((longest + step - 1) / step * step, input.ids_BL.size(1));
  return text_input(input.ids_BL.narrow(1, 0, length), input.real_BL.narrow(1, 0, length));
}

}  // namespace medcoss
