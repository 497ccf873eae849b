#include "model/layers.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include "ops/autograd/linear.h"

namespace medcoss {
namespace {

// [B,L,parts W] to `parts` views [B,heads,L,W / heads].
std::vector<at::Tensor> split_heads(const at::Tensor& x, int64_t parts, int64_t heads) {
  const int64_t width = x.size(2) / parts;
  return x.view({x.size(0), x.size(1), parts, heads, width / heads})
      .permute({2, 0, 3, 1, 4})
      .unbind(0);
}

// [B,heads,L,W / heads] to [B,L,W].
at::Tensor joined_heads(const at::Tensor& x) {
  return x.transpose(1, 2).flatten(2);
}

}  // namespace

Linear::Linear(const Scope& scope, int64_t inputs, int64_t outputs)
    : weight(scope.add("weight", {outputs, inputs}, Initial::xavier(outputs, inputs))),
      bias(scope.add("bias", {outputs}, Initial::constant(0))) {}

at::Tensor Linear::forward(const at::Tensor& x) const {
  return at::linear(x, weight, bias);
}

at::Tensor Linear::project(const at::Tensor& x) const {
  return linear_layer(x, weight, bias, product_type(x));
}

LayerNorm::LayerNorm(const Scope& scope, int64_t width, double norm_epsilon)
    : weight(scope.add("weight", {width}, Initial::constant(1))),
      bias(scope.add("bias", {width}, Initial::constant(0))),
      epsilon(norm_epsilon) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
}

at::ScalarType product_type(const at::Tensor& x) {
  const auto device = x.device().type();
  return at::autocast::is_autocast_enabled(device) ? at::autocast::get_autocast_dtype(device)
                                                   : at::kFloat;
}

bool takes_heads(const at::Tensor& x, int64_t heads) {
  return x.is_cpu() || x.size(-1) / heads % 8 == 0;
}

at::Tensor exact_gelu(const at::Tensor& x) {
  return at::gelu(x, "none");
}

at::Tensor attend(const at::Tensor& qkv_BLP, int64_t heads, const at::Tensor& mask) {
  const auto qkv = split_heads(qkv_BLP, 3, heads);
  std::optional<at::Tensor> bias;
  if (mask.defined()) bias = mask.to(qkv_BLP.scalar_type());
  return joined_heads(at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], bias));
}

at::Tensor attend(const at::Tensor& q_BQW, const at::Tensor& kv_BLP, int64_t heads) {
  const auto q = split_heads(q_BQW, 1, heads);
  const auto kv = split_heads(kv_BLP, 2, heads);
  return joined_heads(at::scaled_dot_product_attention(q[0], kv[0], kv[1]));
}

}  // namespace medcoss
