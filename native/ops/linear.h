// Products of a linear layer, by the faster of LibTorch's two libraries.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss {

/// x_MI weight_OI^T, and bias_O added where it is given: [M,O] in the type of x. The weight may be
/// a transposed view, so `linear(dy_MO, weight_OI.t())` is the gradient of x. Without autograd. The
/// library depends on the processor alone, so a run repeats to the bit.
at::Tensor linear(const at::Tensor& x_MI, const at::Tensor& weight_OI,
                  const at::Tensor& bias_O = {});

}  // namespace medcoss
