// The random choices of one step as tensors; an injected tensor takes the place of its draw.
//
// Invariant: everything follows from (seed, stage, step) and a sample's place in the batch, and is
// made on the CPU, whatever the device of the network.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/encoder.h"
#include "support/philox.h"
#include "train/trainer.h"

namespace medcoss {

class StepDraws {
 public:
  enum class Network { student, teacher };

  StepDraws(uint64_t seed, StepKey key, Injected injected);

  /// Masking noise [B,L]; sorting it sorts (word, index).
  at::Tensor noise(int64_t batch, int64_t patches) const;
  /// Dropped branches and temporal row of a forward pass in training; without `survivors` where
  /// shapes must not depend on draws.
  Stochastic training(Network network, const Behaviour& behaviour, int64_t layers, int64_t batch,
                      bool fixed_shapes) const;
  /// A permutation of the batch, int64 [B].
  at::Tensor partner(int64_t batch) const;
  /// Mixup weight of each sample, float32 [B].
  at::Tensor lambda(int64_t batch) const;
  /// Text mixup, bool [B,L]: one ratio for the batch, then a choice per position.
  at::Tensor keep(int64_t batch, int64_t length) const;
  /// Given targets of distillation; undefined where the teacher makes them.
  const at::Tensor& targets() const { return injected_.targets; }

 private:
  Draws draws(Purpose purpose) const { return {seed_, key_.stage, key_.step, purpose}; }

  uint64_t seed_;
  StepKey key_;
  Injected injected_;
};

}  // namespace medcoss
