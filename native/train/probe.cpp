// The probe: a step in evaluation mode with gradients and given draws, for comparison with golden
// values.
#include <ATen/core/grad_mode.h>

#include <utility>

#include "support/error.h"
#include "train/norms.h"
#include "train/state.h"

namespace medcoss {
namespace {

using Wanted = std::map<std::string, std::vector<int64_t>>;

std::vector<double> values_at(const at::Tensor& gradient, const std::string& name,
                              const std::vector<int64_t>& at) {
  const at::Tensor flat = gradient.cpu().contiguous();
  std::vector<double> values;
  for (const int64_t index : at) {
    if (index < 0 || index >= flat.numel())
      refuse("index of " + name, "one of its values", std::to_string(index));
    values.push_back(flat.data_ptr<float>()[index]);
  }
  return values;
}

}  // namespace

Probe Trainer::probe(const Batch& batch, StepKey key, const ProbeOptions& options) {
  const at::AutoGradMode grad(true);
  const StepDraws draws(state_->options.seed, key, options);
  Outcome outcome;
  {
    const PrecisionScope precision(state_->options, state_->device);
    outcome = state_->objective(state_->inputs(batch, draws, {options.replay, false, true}));
    outcome.loss.backward();
  }
  const Wanted wanted(options.gradients.begin(), options.gradients.end());
  Probe result;
  result.loss = outcome.loss.item<double>();
  for (const Parameter& parameter : state_->student.parameters()) {
    const at::Tensor& gradient = parameter.tensor.grad();
    if (!gradient.defined()) continue;
    const auto found = wanted.find(parameter.name);
    std::vector<double> values;
    if (found != wanted.end()) values = values_at(gradient, parameter.name, found->second);
    result.gradients[parameter.name] = {l2_norm(gradient), std::move(values)};
  }
  state_->clear_gradients();
  const at::NoGradGuard no_grad;
  const at::Tensor encoded = outcome.encoded.detach().to(at::kFloat);
  result.encoded = encoded.cpu().contiguous();
  if (!std::holds_alternative<TextBatch>(batch)) result.mask = outcome.masking.mask_BL.cpu();
  if (!options.replay && result.mask.defined()) {
    const auto kind =
        std::holds_alternative<ImageBatch>(batch) ? VisualKind::image2d : VisualKind::volume3d;
    const Decoder& decoder = state_->student.decoder();
    const at::Tensor rows = decoder.forward_all(encoded, outcome.masking, kind)
                                .select(0, 0)
                                .slice(0, 0, options.predicted_rows);
    result.predicted = decoder.predict(rows, kind).to(at::kFloat).cpu().contiguous();
  }
  return result;
}

}  // namespace medcoss
