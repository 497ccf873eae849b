// AdamW in two groups (no decay for vectors and biases), through LibTorch's fused kernel.
//
// Invariant: a parameter has moments and a step count of its own from its first gradient on.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/parameters.h"
#include "support/safetensors.h"
#include "train/trainer.h"

namespace medcoss {

class Optimizer {
 public:
  Optimizer(const ParameterList& parameters, const OptimizerOptions& options, bool move_idle);

  /// One step on the parameters' gradients. `found_inf`, float32 [], is 1 where nothing may change.
  /// Parameters without a gradient rest, or move by their momentum and decay.
  void step(double learning_rate, const at::Tensor& found_inf);

  /// NAME.exp_avg, NAME.exp_avg_sq and NAME.step of every parameter that has moments.
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
  void apply(const Group& group, double weight_decay, double learning_rate,
             const at::Tensor& found_inf) const;

  std::vector<Slot> slots_;
  OptimizerOptions options_;
  bool move_idle_;
};

}  // namespace medcoss
