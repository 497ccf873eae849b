// AdamW in two groups (no decay for vectors and biases): LibTorch's fused kernel on the CPU, our
// own with norm and finite check elsewhere.
//
// Invariant: a parameter has moments and a step count of its own from its first gradient on.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "model/parameters.h"
#include "support/safetensors.h"
#include "train/trainer.h"

namespace medcoss {

class Optimizer {
 public:
  /// A parameter's copy in another type, undefined where there is none.
  using ShadowOf = std::function<at::Tensor(const at::Tensor& parameter)>;

  Optimizer(const ParameterList& parameters, const OptimizerOptions& options, bool move_idle);

  /// One step on the parameters' gradients, without waiting for the device. Where `loss` or the
  /// norm of all gradients together is not finite, nothing changes. `learning_rate` [] is float64
  /// on the CPU, float32 on the parameters' device elsewhere. Parameters without a gradient rest,
  /// or move by their momentum and decay. Gradients longer than the options allow are scaled down,
  /// in place on the CPU. Returns float64 [2] on that device: the norm before, and 1 where nothing
  /// was changed. Away from the CPU the shadows of parameters change with them.
  at::Tensor step(const at::Tensor& learning_rate, const at::Tensor& loss,
                  const ShadowOf& shadow_of);

  /// Names the work of a step beside what follows from the gradients that there are: which other
  /// parameters move.
  std::string work() const;

  /// NAME.exp_avg, NAME.exp_avg_sq and NAME.step of every parameter that was ever moved.
  NamedTensors state() const;
  /// Takes the state of such a file; moments of other parameters are forgotten.
  void load(const SafetensorsReader& file);

 private:
  struct Slot {
    Parameter parameter;
    bool decays = false;
    at::Tensor average, square, steps;  // undefined before the first gradient
  };
  struct Group;

  void ensure_moments(Slot& slot) const;
  // Slots that a step moves, with moments.
  std::vector<const Slot*> moved();
  // Scales gradients of this norm down to the largest that is allowed.
  void clip(const std::vector<const Slot*>& slots, double norm) const;
  at::Tensor step_on_host(const at::Tensor& learning_rate, const at::Tensor& loss);
  at::Tensor step_on_device(const at::Tensor& learning_rate, const at::Tensor& loss,
                            const ShadowOf& shadow_of);
  void apply(const Group& group, double weight_decay, const at::Tensor& learning_rate) const;

  std::vector<Slot> slots_;
  OptimizerOptions options_;
  bool move_idle_;
};

}  // namespace medcoss
