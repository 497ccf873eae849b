// Predictions in the units of the input, for pictures.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros.h>

#include "model/patches.h"
#include "train/inputs.h"
#include "train/state.h"

namespace medcoss {
namespace {

at::Tensor unpatchified(const at::Tensor& patches_BLV, VisualKind kind, const ModelSize& size) {
  if (kind == VisualKind::image2d) return image_of_patches(patches_BLV, size.image_size);
  return volume_of_patches(patches_BLV, size.volume_size);
}

// Undoes the normalisation of the target with each patch's own mean and deviation.
at::Tensor in_units_of(const at::Tensor& patches_BLV, const at::Tensor& predicted_BLV) {
  const auto [variance, mean] = at::var_mean(patches_BLV, -1, true, true);
  return predicted_BLV * (variance + 1e-6).sqrt() + mean;
}

Reconstruction visual(const Network& network, const VisualInput& input, const at::Tensor& noise) {
  const Masking masking = random_masking(noise, network.behaviour().mask_ratio);
  const at::Tensor encoded = network.encode_visual(input, masking, {});
  const at::Tensor decoded = network.decoder().forward_all(encoded, masking, input.kind);
  const at::Tensor predicted =
      in_units_of(input.patches_BLV, network.decoder().predict(decoded, input.kind).to(at::kFloat));
  const at::Tensor mask = masking.mask_BL.to(at::kByte).unsqueeze(-1).expand_as(input.patches_BLV);
  const auto whole = [&](const at::Tensor& patches) {
    return unpatchified(patches, input.kind, network.size()).cpu().contiguous();
  };
  const at::Tensor original = whole(input.patches_BLV);
  return {original.sizes().vec(), original, whole(predicted), whole(mask)};
}

Reconstruction words(const Network& network, const TextBatch& batch, at::Device device) {
  StepInputs inputs;
  inputs.text = prepare_text(batch, network.size());
  const TextInput input = on_device(std::move(inputs), device).text;
  const at::Tensor encoded = network.encode_text(input, {});
  const at::Tensor guessed = at::empty_like(input.ids_BL);
  // One sequence at a time: scores of a whole batch would be its largest tensor by far.
  for (int64_t b = 0; b < encoded.size(0); ++b) {
    guessed.select(0, b).copy_(network.word_scores(encoded.select(0, b)).argmax(1));
  }
  at::Tensor mask = at::zeros(batch.ids_BL.sizes(), at::kByte);
  if (batch.labels_BL.defined()) mask = batch.labels_BL.ge(0).to(at::kByte);
  return {batch.ids_BL.sizes().vec(), batch.ids_BL.to(at::kFloat), guessed.to(at::kFloat).cpu(),
          mask};
}

}  // namespace

Reconstruction Trainer::reconstruct(const Batch& batch, StepKey key) {
  const at::NoGradGuard no_grad;
  const PrecisionScope precision(state_->options, state_->device);
  if (const auto* text = std::get_if<TextBatch>(&batch)) {
    return words(state_->student, *text, state_->device);
  }
  const StepInputs inputs = state_->inputs(batch, StepDraws(state_->options.seed, key, {}), {});
  return visual(state_->student, prepare_visual(inputs.batch, state_->options.size),
                inputs.noise_BL);
}

}  // namespace medcoss
