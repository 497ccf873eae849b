// A linear layer with autograd, for layers outside the hand-written blocks.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss {

/// x [...,I] weight_OI^T + bias_O in `type`: [...,O]. As LibTorch's under autocast, by the products
/// of ops/linear.h where these take float32 weights.
at::Tensor linear_layer(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O,
                        at::ScalarType type);

}  // namespace medcoss
