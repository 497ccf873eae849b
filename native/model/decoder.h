// The decoder of masked patches (`decoder_*`): standard ViT blocks over kept and hidden patches.
//
// Attention does not depend on the order of tokens, so blocks see the class token, the kept and
// then the removed patches. Shape letters: B batch, L patches, K kept, R removed, D decoder width,
// V values of a patch, N rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "model/layers.h"
#include "model/masking.h"
#include "model/patch_embedding.h"
#include "model/size.h"
#include "ops/autograd/transformer_stack.h"

namespace medcoss {

class DecoderBlock {
 public:
  DecoderBlock(const Scope& scope, const ModelSize& size);
  BlockParameters parameters() const;
  at::Tensor forward(const at::Tensor& x_BLD) const;
  /// The same for the first block, whose removed patches differ between samples by their place
  /// alone: their projections are computed once per place, from `filler_LD`.
  at::Tensor forward_first(const at::Tensor& x_BSD, const at::Tensor& filler_LD,
                           const at::Tensor& removed_BR) const;
  /// The same for the last block, where only the last `count` tokens are wanted: [B,count,D].
  at::Tensor forward_last(const at::Tensor& x_BLD, int64_t count) const;

 private:
  at::Tensor finish(const at::Tensor& x, const at::Tensor& attended) const;

  int64_t heads_;
  LayerNorm norm1_;
  Linear qkv_, proj_;
  LayerNorm norm2_;
  Linear fc1_, fc2_;
};

/// Fixed sine and cosine positions [1,1+L,D] of a grid (depth, rows, columns), zeros for the class
/// token. A flat grid gives MAE's table: the first half of D for columns, the second for rows.
at::Tensor sincos_positions(const std::array<int64_t, 3>& grid, int64_t width);

/// The tokens and tables that the published state dict lists before the encoder.
struct DecoderTokens {
  at::Tensor mask_token, positions_2d, positions_3d;
  DecoderTokens(const Scope& scope, const ModelSize& size, bool fixed_positions);
};

class Decoder {
 public:
  Decoder(const Scope& scope, const ModelSize& size, DecoderTokens tokens, BlockForm form);
  /// Encoder output [B,1+K,W] to hidden states of the removed patches [B,R,D], of which there is at
  /// least one.
  at::Tensor forward(const at::Tensor& encoded, const Masking& masking, VisualKind kind) const;
  /// Hidden states of all patches in their original order [B,L,D].
  at::Tensor forward_all(const at::Tensor& encoded, const Masking& masking, VisualKind kind) const;
  /// Hidden states [...,D] to patches [...,V], in the products' type.
  at::Tensor predict(const at::Tensor& hidden_ND, VisualKind kind) const;
  /// Row 0 is what the published code adds to every position before the language head.
  const at::Tensor& text_positions() const { return text_positions_; }
  /// To be called whenever parameters have changed.
  Shadows& shadows() const { return shadows_; }

 private:
  at::Tensor run_stack(const at::Tensor& x_BSD, const at::Tensor& filler_LD, const Masking& masking,
                       int64_t wanted) const;
  at::Tensor run(const at::Tensor& encoded, const Masking& masking, VisualKind kind,
                 int64_t wanted) const;

  DecoderTokens tokens_;
  Linear embed_;
  at::Tensor text_positions_;
  std::vector<DecoderBlock> blocks_;
  LayerNorm norm_;
  Linear predict_2d_, predict_3d_;
  int64_t heads_;
  BlockForm form_;
  mutable Shadows shadows_;
};

}  // namespace medcoss
