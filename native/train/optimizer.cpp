#include "train/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

namespace medcoss {
namespace {

// Idle parameters see zeros in pieces of this many values, so that no gradient of their size is
// made.
constexpr int64_t idle_piece = 1 << 20;

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

bool Optimizer::rests(const Slot& slot) const {
  return !slot.parameter.tensor.grad().defined() && (!move_idle_ || !slot.average.defined());
}

void Optimizer::step(const at::Tensor& learning_rate, const at::Tensor& found_inf) {
  const at::NoGradGuard no_grad;
  Group plain;
  Group decaying;
  at::Tensor zeros;
  std::vector<at::Tensor> steps;
  for (Slot& slot : slots_) {
    if (rests(slot)) continue;
    ensure_moments(slot);
    steps.push_back(slot.steps);
    Group& group = slot.decays ? decaying : plain;
    if (slot.parameter.tensor.grad().defined()) {
      group.add(slot);
      continue;
    }
    if (!zeros.defined()) zeros = at::zeros({idle_piece}, slot.average.options());
    group.add_idle(slot, zeros);
  }
  if (!steps.empty()) at::_foreach_add_(steps, 1 - found_inf);
  apply(plain, 0, learning_rate, found_inf);
  apply(decaying, options_.weight_decay, learning_rate, found_inf);
}

void Optimizer::apply(const Group& group, double weight_decay, const at::Tensor& learning_rate,
                      const at::Tensor& found_inf) const {
  if (group.values.empty()) return;
  at::_fused_adamw_(group.values, group.gradients, group.averages, group.squares, {}, group.steps,
                    learning_rate, options_.beta1, options_.beta2, weight_decay, options_.epsilon,
                    false, false, std::nullopt, found_inf);
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
