// The loss of masked patches with its gradient, in one pass over the predictions.
//
// Invariant: a patch's share is summed in float32 in an order of its own and shares in float64, so
// the loss does not depend on the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss::cpu {

struct PatchLoss {
  at::Tensor loss;          // float32 []
  at::Tensor gradient_BRV;  // of the loss by the predictions, in their type
};

/// As `medcoss::patch_loss`, for contiguous tensors of the CPU.
PatchLoss patch_loss(const at::Tensor& predicted_BRV, const at::Tensor& patches_BLV,
                     const at::Tensor& removed_BR);

}  // namespace medcoss::cpu
