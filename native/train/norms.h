// Euclidean norms of float32 tensors, on the CPU in float64.
//
// Invariant: on the CPU the order of summation is fixed, whatever the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss {

/// Sum of squares of a float32 tensor of any device, computed on the CPU.
double sum_of_squares(const at::Tensor& tensor);
double l2_norm(const at::Tensor& tensor);

}  // namespace medcoss
