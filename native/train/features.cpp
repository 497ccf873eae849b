// Features of samples: what k-means and users of a checkpoint get.
#include <ATen/core/grad_mode.h>

#include "train/inputs.h"
#include "train/state.h"

namespace medcoss {
namespace {

// Mean over the tokens that count, [B,W].
at::Tensor text_features(const Network& network, const TextInput& input, bool include_padding,
                         const Stochastic& stochastic) {
  const at::Tensor encoded = network.encode_text(input, stochastic).to(at::kFloat);
  if (include_padding) return encoded.mean(1);
  const at::Tensor real = input.real_BL.unsqueeze(-1).to(at::kFloat);
  return (encoded * real).sum(1).div_(real.sum(1));
}

}  // namespace

at::Tensor Trainer::features(const Batch& batch, StepKey key) {
  const at::NoGradGuard no_grad;
  const PrecisionScope precision(state_->options, state_->device);
  const Behaviour& behaviour = state_->options.behaviour;
  const ModelSize& size = state_->options.size;
  const bool padding = behaviour.features_include_padding;
  const auto* text = std::get_if<TextBatch>(&batch);
  StepInputs inputs;
  if (text == nullptr)
    inputs.batch = batch;
  else
    inputs.text = padding ? prepare_text(*text, size) : trimmed(prepare_text(*text, size));
  if (behaviour.features_train_mode) {
    inputs.student = StepDraws(state_->options.seed, key, {})
                         .training(StepDraws::Network::student, behaviour, size.encoder_layers,
                                   samples_of(batch), !state_->device.is_cpu());
  }
  inputs = on_device(std::move(inputs), state_->device);
  if (text != nullptr) {
    return text_features(state_->student, inputs.text, padding, inputs.student).cpu();
  }
  const VisualInput input = prepare_visual(inputs.batch, size);
  const Masking all =
      no_masking(input.patches_BLV.size(0), input.patches_BLV.size(1), state_->device);
  return state_->student.encode_visual(input, all, inputs.student).to(at::kFloat).mean(1).cpu();
}

}  // namespace medcoss
