// A step's batch in parts that take turns in memory.
//
// Invariant: everything drawn was drawn for the whole batch, and each part's loss has the weight
// that makes their sum the loss of the whole; so gradients are the same but for rounding.
#pragma once

#include <vector>

#include "train/step/inputs.h"

namespace medcoss {

struct StepParts {
  std::vector<StepInputs> parts;
  at::Tensor learning_rate;  // []

  int64_t samples() const;
  /// All tensors, undefined ones too, always in the same order.
  std::vector<at::Tensor*> tensors();
};

/// `whole`, on the CPU, in `options.accumulate` parts of nearly equal numbers of samples, or in as
/// many as it has samples. Throws E_ARGUMENT where texts see the padding of others.
StepParts in_parts(StepInputs whole, const TrainerOptions& options, bool fixed_shapes);

}  // namespace medcoss
