// Cross entropy of masked words on a CUDA device, from what enters the last product of the language
// head.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/shadows.h"

namespace medcoss {

/// Mean of the cross entropy of x_NW classes_VW^T + bias_V with the words id_N (int64; below 0: the
/// row does not count), float32. Scores and their gradient have the type of x, float32 or bfloat16,
/// and share one piece of memory, so that one backward pass is possible. Without a row that counts
/// not a number. `shadows` holds the weights in the type of x.
at::Tensor word_loss(const at::Tensor& x_NW, const at::Tensor& classes_VW, const at::Tensor& bias_V,
                     const at::Tensor& id_N, Shadows& shadows);

}  // namespace medcoss
