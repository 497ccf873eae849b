// Products of a linear layer on processors where packing their operands ourselves pays: oneDNN's
// micro-kernel over panels, without the copies that its matrix products make.
//
// Invariant: weights may be float32 where rows are bfloat16 (they are rounded as they are packed);
// sums are float32; the result does not depend on the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss::cpu {

/// Whether these products are to be used for rows of this type on this processor.
bool packs_products(at::ScalarType type);

/// x_MI weight_OI^T + bias_O (float32; undefined: none): [M,O] in the type of x. The weight may be
/// a transposed view.
at::Tensor packed_linear(const at::Tensor& x_MI, const at::Tensor& weight_OI,
                         const at::Tensor& bias_O);

/// dy_MO^T x_MI, float32 [O,I].
at::Tensor packed_weight_gradient(const at::Tensor& dy_MO, const at::Tensor& x_MI);

}  // namespace medcoss::cpu
