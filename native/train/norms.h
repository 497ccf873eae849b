// Euclidean norms in float64 of float32 tensors.
//
// Invariant: the order of summation is fixed, whatever the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/parameters.h"

namespace medcoss {

/// Sum of squares of a contiguous float32 tensor.
double sum_of_squares(const at::Tensor& tensor);
double l2_norm(const at::Tensor& tensor);
/// Norm of all gradients together; parameters without one count nothing.
double gradient_norm(const ParameterList& parameters);

}  // namespace medcoss
