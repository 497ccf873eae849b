// The loss of masked patches: target, difference and gradient in one pass on either device.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss {

/// float32 []: mean of (predicted - target)^2, where a target is the patch of `patches_BLV` that
/// `removed_BR` names, less its mean and over the root of its variance (with n - 1) plus 1e-6.
/// `predicted_BRV` is float32 or bfloat16, and alone gets a gradient. One backward pass: on a CUDA
/// device it scales the gradient that was kept.
at::Tensor patch_loss(const at::Tensor& predicted_BRV, const at::Tensor& patches_BLV,
                      const at::Tensor& removed_BR);

}  // namespace medcoss
