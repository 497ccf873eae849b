// What the CPU's block operations share: typed pointers, threads over rows, sums of blocks.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>

#include "ops/cpu/block_norm.h"

namespace medcoss::cpu {

inline const float* floats(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

inline float* mutable_floats(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<float>();
}

template <typename T>
const T* values(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <typename T>
T* mutable_values(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

/// Calls `body` with a value of the element type that stands for `type`.
template <typename Body>
void for_type(at::ScalarType type, const Body& body) {
  if (type == at::kBFloat16) {
    body(Bf16());
  } else {
    TORCH_CHECK(type == at::kFloat, "block operations take float32 or bfloat16");
    body(float());
  }
}

/// Runs a kernel over `count` rows or blocks, which take about `work` values each.
template <typename Arguments>
void run_rows(const Arguments& arguments, int64_t count, int64_t work) {
  const RowKernel<Arguments> kernel = row_kernel<Arguments>();
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, work));
  at::parallel_for(0, count, grain,
                   [&](int64_t begin, int64_t end) { kernel(arguments, begin, end); });
}

inline int64_t sum_blocks(int64_t rows) {
  return (rows + sum_rows - 1) / sum_rows;
}

/// Room for sums of blocks [blocks, parts, width], zero.
at::Tensor block_sums(int64_t blocks, int64_t width);
/// Adds blocks up: [blocks, width] to [width].
at::Tensor added_blocks(const at::Tensor& sums);

}  // namespace medcoss::cpu
