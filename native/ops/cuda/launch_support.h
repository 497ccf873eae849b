// What launchers share: pointers of tensors, memory of their device, dispatch by type.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_bf16.h>

#include "ops/cuda/check.h"

namespace medcoss::cuda {

/// Makes the tensors' device the current one while it lives. Work goes to `stream`, the current one
/// of that device.
struct Launch {
  explicit Launch(const at::Tensor& tensor)
      : guard(tensor.device()), stream(c10::cuda::getCurrentCUDAStream()) {}

  c10::cuda::CUDAGuard guard;
  cudaStream_t stream;
};

/// Null where the tensor is undefined.
inline const float* floats(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<float>() : nullptr;
}
inline float* mutable_floats(const at::Tensor& x) {
  return x.defined() ? x.mutable_data_ptr<float>() : nullptr;
}

/// Values of T, which is float or __nv_bfloat16, as the tensor's type says.
template <typename T>
const T* values(const at::Tensor& x) {
  return x.defined() ? static_cast<const T*>(x.const_data_ptr()) : nullptr;
}
template <typename T>
T* mutable_values(const at::Tensor& x) {
  return x.defined() ? static_cast<T*>(x.mutable_data_ptr()) : nullptr;
}

/// New memory on the device of `like`.
inline at::Tensor fresh(at::IntArrayRef shape, const at::Tensor& like, at::ScalarType type) {
  return at::empty(shape, like.options().dtype(type));
}

/// Calls f with a value of the tensor's type.
template <typename F>
void for_compute_type(at::ScalarType type, const F& f) {
  if (type == at::kBFloat16)
    f(__nv_bfloat16{});
  else if (type == at::kFloat)
    f(float{});
  else
    refuse("compute type", "float32 or bfloat16", c10::toString(type));
}

}  // namespace medcoss::cuda
