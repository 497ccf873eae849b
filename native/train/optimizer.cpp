#include "train/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"
#include "train/norms.h"

namespace medcoss {
namespace {

// Idle parameters see zeros in pieces of this many values, so that no gradient of their size is
// made.
constexpr int64_t idle_piece = 1 << 20;
// As in torch.nn.utils.clip_grad_norm_.
constexpr double clip_epsilon = 1e-6;

bool decays(const Parameter& parameter) {
  const std::string& name = parameter.name;
  const bool bias = name.size() >= 5 && name.compare(name.size() - 5, 5, ".bias") == 0;
  return parameter.tensor.dim() > 1 && !bias;
}

}  // namespace

struct Optimizer::Group {
  std::vector<at::Tensor> values, gradients, averages, squares, steps;

  void add(const Slot& slot) {
    values.push_back(slot.parameter.tensor);
    gradients.push_back(slot.parameter.tensor.grad());
    averages.push_back(slot.average);
    squares.push_back(slot.square);
    steps.push_back(slot.steps);
  }

  // A zero gradient, piece by piece.
  void add_idle(const Slot& slot, const at::Tensor& zeros) {
    const int64_t count = slot.parameter.tensor.numel();
    for (int64_t start = 0; start < count; start += idle_piece) {
      const int64_t size = std::min(idle_piece, count - start);
      const auto piece = [&](const at::Tensor& x) { return x.view(-1).narrow(0, start, size); };
      values.push_back(piece(slot.parameter.tensor));
      gradients.push_back(zeros.narrow(0, 0, size));
      averages.push_back(piece(slot.average));
      squares.push_back(piece(slot.square));
      steps.push_back(slot.steps);
    }
  }
};

Optimizer::Optimizer(const ParameterList& parameters, const OptimizerOptions& options,
                     bool move_idle)
    : options_(options), move_idle_(move_idle) {
  for (const Parameter& parameter : parameters) {
    if (!parameter.tensor.requires_grad()) continue;
    slots_.push_back({parameter, decays(parameter), {}, {}, {}});
  }
}

void Optimizer::ensure_moments(Slot& slot) const {
  if (slot.average.defined()) return;
  const at::Tensor& value = slot.parameter.tensor;
  const at::Tensor average = at::zeros_like(value);
  const at::Tensor square = at::zeros_like(value);
  slot.steps = at::zeros({}, value.options());
  slot.average = average;
  slot.square = square;
}

std::vector<const Optimizer::Slot*> Optimizer::moved() {
  std::vector<const Slot*> slots;
  for (Slot& slot : slots_) {
    const bool idle = !slot.parameter.tensor.grad().defined();
    if (idle && (!move_idle_ || !slot.average.defined())) continue;
    ensure_moments(slot);
    slots.push_back(&slot);
  }
  return slots;
}

at::Tensor Optimizer::step(const at::Tensor& learning_rate, const at::Tensor& loss,
                           const ShadowOf& shadow_of) {
  const at::NoGradGuard no_grad;
  if (loss.is_cpu()) return step_on_host(learning_rate, loss);
  return step_on_device(learning_rate, loss, shadow_of);
}

at::Tensor Optimizer::step_on_host(const at::Tensor& learning_rate, const at::Tensor& loss) {
  double squares = 0;
  Group plain;
  Group decaying;
  at::Tensor zeros;
  const auto slots = moved();
  for (const Slot* slot : slots) {
    Group& group = slot->decays ? decaying : plain;
    const at::Tensor& gradient = slot->parameter.tensor.grad();
    if (gradient.defined()) {
      squares += sum_of_squares(gradient);
      group.add(*slot);
      continue;
    }
    if (!zeros.defined()) zeros = at::zeros({idle_piece}, slot->average.options());
    group.add_idle(*slot, zeros);
  }
  const bool skipped = !std::isfinite(squares) || !std::isfinite(loss.item<double>());
  if (!skipped) {
    clip(slots, std::sqrt(squares));
    for (const Slot* slot : slots) slot->steps.add_(1);
    apply(plain, 0, learning_rate);
    apply(decaying, options_.weight_decay, learning_rate);
  }
  return at::tensor({std::sqrt(squares), skipped ? 1.0 : 0.0});
}

void Optimizer::clip(const std::vector<const Slot*>& slots, double norm) const {
  const double factor = options_.max_gradient_norm / (norm + clip_epsilon);
  if (options_.max_gradient_norm == 0 || factor >= 1) return;
  for (const Slot* slot : slots) {
    const at::Tensor& gradient = slot->parameter.tensor.grad();
    if (gradient.defined()) gradient.mul_(factor);
  }
}

at::Tensor Optimizer::step_on_device(const at::Tensor& learning_rate, const at::Tensor& loss,
                                     const ShadowOf& shadow_of) {
  std::vector<AdamwTensor> tensors;
  for (const Slot* slot : moved()) {
    const at::Tensor& value = slot->parameter.tensor;
    tensors.push_back({value, value.grad(), slot->average, slot->square, slot->steps,
                       shadow_of(value), slot->decays});
  }
  const AdamwOptions options{options_.beta1, options_.beta2, options_.epsilon,
                             options_.weight_decay, options_.max_gradient_norm};
  return cuda_library().operations().adamw(tensors, learning_rate, loss, options);
}

void Optimizer::apply(const Group& group, double weight_decay,
                      const at::Tensor& learning_rate) const {
  if (group.values.empty()) return;
  at::_fused_adamw_(group.values, group.gradients, group.averages, group.squares, {}, group.steps,
                    learning_rate, options_.beta1, options_.beta2, weight_decay, options_.epsilon,
                    false, false);
}

std::string Optimizer::work() const {
  if (!move_idle_) return {};
  return std::to_string(std::count_if(slots_.begin(), slots_.end(),
                                      [](const Slot& slot) { return slot.average.defined(); }));
}

NamedTensors Optimizer::state() const {
  NamedTensors result;
  for (const Slot& slot : slots_) {
    // A first step that was not finite leaves moments that nothing has moved.
    if (!slot.average.defined() || slot.steps.item<float>() == 0) continue;
    result.emplace_back(slot.parameter.name + ".exp_avg", slot.average);
    result.emplace_back(slot.parameter.name + ".exp_avg_sq", slot.square);
    result.emplace_back(slot.parameter.name + ".step", slot.steps);
  }
  return result;
}

void Optimizer::load(const SafetensorsReader& file) {
  for (const Slot& slot : slots_) {
    const std::string& name = slot.parameter.name;
    if (!file.has(name + ".exp_avg")) continue;
    file.check(name + ".exp_avg", slot.parameter.tensor.sizes());
    file.check(name + ".exp_avg_sq", slot.parameter.tensor.sizes());
    file.check(name + ".step", {});
  }
  for (Slot& slot : slots_) {
    const std::string& name = slot.parameter.name;
    slot.average = slot.square = slot.steps = at::Tensor();
    if (!file.has(name + ".exp_avg")) continue;
    ensure_moments(slot);
    file.read(name + ".exp_avg", slot.average);
    file.read(name + ".exp_avg_sq", slot.square);
    file.read(name + ".step", slot.steps);
  }
}

}  // namespace medcoss
