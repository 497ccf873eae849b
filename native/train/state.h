// What a trainer holds, shared by the files that implement it.
#pragma once

#include <ATen/autocast_mode.h>

#include <memory>

#include "model/network.h"
#include "train/draws.h"
#include "train/optimizer.h"
#include "train/step/objectives.h"
#include "train/trainer.h"

namespace medcoss {

struct Trainer::State {
  explicit State(const TrainerOptions& options);

  /// The plain or the replay objective of a batch. `training` switches drop path and temporal draws
  /// on; `whole_text` computes tokens that the loss does not need.
  Outcome objective(const Batch& batch, const StepDraws& draws, bool replay, bool training,
                    bool whole_text) const;
  void clear_gradients() const;

  TrainerOptions options;
  Network student;
  std::unique_ptr<Network> teacher;
  Optimizer optimizer;

 private:
  Outcome plain(const Batch& batch, const StepDraws& draws, bool training, bool whole_text) const;
  Outcome replayed(const Batch& batch, const StepDraws& draws, bool training) const;
  Stochastic student_draws(const StepDraws& draws, bool training, int64_t samples) const;
};

/// Computes in the trainer's precision while it lives. With bf16 and hardware for it, matrix
/// products take bf16 inputs; weights, sums and losses stay float32.
class PrecisionScope {
 public:
  explicit PrecisionScope(bool bf16);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  bool active_;
};

}  // namespace medcoss
