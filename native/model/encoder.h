// The shared pre-norm encoder with layer scale and stochastic depth. It ends in the raw residual
// stream.
//
// Invariant: a layer's computation is per token but for attention, so any grid and any number of
// tokens goes in.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/layers.h"
#include "model/size.h"
#include "ops/autograd/transformer_stack.h"

namespace medcoss {

/// What randomness does to one forward pass; the default is evaluation mode.
struct Stochastic {
  /// Probability with which residual branches were dropped.
  double drop_rate = 0;
  /// Samples that keep each branch: two per layer, attention first. Empty where shapes are fixed:
  /// then every branch is computed, and `scale_SB` tells the samples apart.
  std::vector<std::vector<int64_t>> survivors;
  /// Factor of each of the S branches for each sample, float32: 0 or 1 / (1 - drop_rate).
  /// Undefined: all keep all.
  at::Tensor scale_SB;
  /// Row of the temporal position table, int64; undefined: 0.
  at::Tensor frame_1;
};

/// Flat positions of the wanted rows, and the factors of the branches of their samples.
struct RowWeights {
  at::Tensor position_N;  // int64
  at::Tensor attention_N1, feed_forward_N1;
};

class EncoderLayer {
 public:
  EncoderLayer(const Scope& scope, const ModelSize& size);
  at::Tensor attention(const at::Tensor& x_BLW, const at::Tensor& mask) const;
  at::Tensor feed_forward(const at::Tensor& x_BLW) const;
  /// The whole layer for some rows only: [N,W].
  at::Tensor rows(const at::Tensor& x_BLW, const at::Tensor& mask, const RowWeights& weights) const;
  BlockParameters parameters() const;
  const at::Tensor& attention_scale() const { return gamma_1_; }
  const at::Tensor& feed_forward_scale() const { return gamma_2_; }

 private:
  at::Tensor attended(const at::Tensor& x_BLW, const at::Tensor& mask) const;

  int64_t heads_;
  at::Tensor gamma_1_, gamma_2_;
  at::Tensor in_weight_, in_bias_;
  Linear out_, linear1_, linear2_;
  LayerNorm norm1_, norm2_;
};

class Encoder {
 public:
  Encoder(const Scope& scope, const ModelSize& size, BlockForm form);
  /// Whether rows like these need no mask where a token sees none behind it.
  bool takes_causal(const at::Tensor& x_BLW) const { return fuses(x_BLW, {}); }
  /// [B,L,W] to [B,L,W]; `mask` is additive and broadcasts to [B,heads,L,L] (undefined: none).
  at::Tensor forward(const at::Tensor& x_BLW, const at::Tensor& mask,
                     const Stochastic& stochastic) const;
  /// The same where a token sees none behind it, of rows that `takes_causal`.
  at::Tensor forward_causal(const at::Tensor& x_BLW, const Stochastic& stochastic) const;
  /// Rows of the same output at flat positions [N] of [B L]: the last layer computes no others.
  at::Tensor forward_rows(const at::Tensor& x_BLW, const at::Tensor& mask,
                          const Stochastic& stochastic, const at::Tensor& position_N) const;
  /// Rows [N,W] of sequences without padding to the rows that are wanted. `causal`: see StackInput.
  at::Tensor forward_packed(const at::Tensor& x_NW, const Sequences& sequences,
                            const WantedRows& wanted, const Stochastic& stochastic,
                            bool causal = false) const;
  /// To be told whenever parameters have changed.
  Shadows& shadows() const { return shadows_; }
  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }

 private:
  bool fuses(const at::Tensor& x, const at::Tensor& mask) const {
    return form_ != BlockForm::modules && !mask.defined() && takes_heads(x, heads_);
  }
  at::Tensor run(at::Tensor x_BLW, const at::Tensor& mask, const Stochastic& stochastic,
                 size_t layers) const;

  int64_t heads_;
  BlockForm form_;
  std::vector<EncoderLayer> layers_;
  mutable Shadows shadows_;
};

}  // namespace medcoss
