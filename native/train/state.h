// What a trainer holds, shared by the files that implement it.
#pragma once

#include <ATen/autocast_mode.h>

#include <memory>

#include "model/network.h"
#include "train/device_steps.h"
#include "train/draws.h"
#include "train/optimizer.h"
#include "train/step/inputs.h"
#include "train/step/objectives.h"
#include "train/step/parts.h"
#include "train/trainer.h"

namespace medcoss {

struct Trainer::State {
  explicit State(const TrainerOptions& options);

  /// What a step on `batch` reads, still on the CPU. Throws E_NO_TEACHER, E_ARGUMENT.
  StepInputs host_inputs(const Batch& batch, const StepDraws& draws, const StepMode& mode) const;
  /// The same on the trainer's device.
  StepInputs inputs(const Batch& batch, const StepDraws& draws, const StepMode& mode) const;
  /// The plain or the replay objective.
  Outcome objective(const StepInputs& inputs) const;
  /// One optimiser step: float64 [3] on the trainer's device, its loss, the norm of its gradient
  /// and whether it was skipped (1), as one of them was not finite.
  at::Tensor update(const StepParts& step);
  void clear_gradients() const;
  /// Lets go of all memory but weights and moments.
  void release();

  TrainerOptions options;
  at::Device device;
  /// Away from the CPU. Made first: it chooses the stream of all that follows.
  std::unique_ptr<DeviceSteps> device_steps;
  Network student;
  std::unique_ptr<Network> teacher;
  Optimizer optimizer;

 private:
  // The loss of all parts, whose gradients are added up; where it is not finite, on the CPU, only
  // its value.
  at::Tensor backward(const StepParts& step) const;
  Outcome plain(const StepInputs& inputs) const;
  Outcome replayed(const StepInputs& inputs) const;
};

/// Computes in the trainer's precision while it lives. With bf16 and hardware for it, matrix
/// products take bf16 inputs; weights, sums and losses stay float32.
class PrecisionScope {
 public:
  PrecisionScope(const TrainerOptions& options, at::Device device);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  at::DeviceType device_;
  bool active_;
};

template <typename Work>
auto Trainer::within_memory(const Work& work) {
  try {
    return work();
  } catch (const c10::OutOfMemoryError&) {
    state_->release();
    throw;
  }
}

}  // namespace medcoss
