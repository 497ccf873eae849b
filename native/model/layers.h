// Linear and normalisation layers, attention and the feed-forward block that encoder and decoder
// share.
//
// Shape letters: B batch, L tokens, W width, P = 3 W packed projections, N rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "model/parameters.h"
#include "ops/transformer_block.h"

namespace medcoss {

struct Linear {
  at::Tensor weight;
  at::Tensor bias;

  Linear() = default;
  /// Xavier weights and zero bias.
  Linear(const Scope& scope, int64_t inputs, int64_t outputs);
  /// LibTorch's layer.
  at::Tensor forward(const at::Tensor& x) const;
  /// The same by the fastest products that there are.
  at::Tensor project(const at::Tensor& x) const;
  Affine parameters() const { return {weight, bias}; }
};

struct LayerNorm {
  at::Tensor weight;
  at::Tensor bias;
  double epsilon = 1e-5;

  LayerNorm() = default;
  LayerNorm(const Scope& scope, int64_t width, double epsilon);
  at::Tensor forward(const at::Tensor& x) const;
  Norm parameters() const { return {weight, bias, epsilon}; }
};

/// The type of matrix products as autocast has it: what a stack of blocks is told.
at::ScalarType product_type(const at::Tensor& x);

/// Whether the attention of a stack of blocks takes heads of this width where `x` [...,width] is:
/// CUDA's kernels want multiples of eight.
bool takes_heads(const at::Tensor& x, int64_t heads);

/// The erf form.
at::Tensor exact_gelu(const at::Tensor& x);

/// Multi-head attention of packed projections [B,L,P] to [B,L,W]: scores (q / sqrt(W / heads)) . k
/// plus `mask`, which broadcasts to [B,heads,L,L] (undefined: none).
at::Tensor attend(const at::Tensor& qkv_BLP, int64_t heads, const at::Tensor& mask);
/// The same with queries [B,Q,W] of their own, for keys and values [B,L,2W].
at::Tensor attend(const at::Tensor& q_BQW, const at::Tensor& kv_BLP, int64_t heads);

}  // namespace medcoss
