// Feature distillation: the mean squared difference of two encoders' outputs, with a backward pass
// of its own. Neither direction makes an intermediate tensor.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss {

/// float32 []: mean of (student - teacher)^2 over the elements of rows that `real_BL` (bool) marks,
/// of all rows where it is undefined. Only the student gets a gradient. No marked row: not a
/// number.
at::Tensor feature_distance(const at::Tensor& student_BLW, const at::Tensor& teacher_BLW,
                            const at::Tensor& real_BL = {});

}  // namespace medcoss
