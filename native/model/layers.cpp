#include "model/layers.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace medcoss {

Linear::Linear(const Scope& scope, int64_t inputs, int64_t outputs)
    : weight(scope.add("weight", {outputs, inputs}, Initial::xavier(outputs, inputs))),
      bias(scope.add("bias", {outputs}, Initial::constant(0))) {}

at::Tensor Linear::forward(const at::Tensor& x) const { return at::linear(x, weight, bias); }

LayerNorm::LayerNorm(const Scope& scope, int64_t width, double norm_epsilon)
    : weight(scope.add("weight", {width}, Initial::constant(1))),
      bias(scope.add("bias", {width}, Initial::constant(0))),
      epsilon(norm_epsilon) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
}

at::Tensor exact_gelu(const at::Tensor& x) { return at::gelu(x, "none"); }

at::Tensor attend(const at::Tensor& qkv_BLP, int64_t heads, const at::Tensor& mask) {
  const int64_t batch = qkv_BLP.size(0);
  const int64_t length = qkv_BLP.size(1);
  const int64_t width = qkv_BLP.size(2) / 3;
  const auto qkv = qkv_BLP.view({batch, length, 3, heads, width / heads}).permute({2, 0, 3, 1, 4}).unbind(0);
  std::optional<at::Tensor> bias;
  if (mask.defined()) bias = mask.to(qkv_BLP.scalar_type());
  const auto out = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], bias);
  return out.transpose(1, 2).reshape({batch, length, width});
}

}  // namespace medcoss
