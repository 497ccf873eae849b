// Products of a linear layer, by the fastest way that the processor has.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss {

/// Whether `linear` wants float32 weights for rows of this type on this device, rather than weights
/// of the same type.
bool takes_masters(at::Device device, at::ScalarType type);

/// x_MI weight_OI^T, and bias_O added where it is given: [M,O] in the type of x. The weight may be
/// a transposed view, so `linear(dy_MO, weight_OI.t())` is the gradient of x. Without autograd. The
/// way depends on the processor alone, so a run repeats to the bit.
at::Tensor linear(const at::Tensor& x_MI, const at::Tensor& weight_OI,
                  const at::Tensor& bias_O = {});

/// dy_MO^T x_MI, float32 [O,I].
at::Tensor weight_gradient(const at::Tensor& dy_MO, const at::Tensor& x_MI);

}  // namespace medcoss
