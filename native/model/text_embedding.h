// Token embedding (`token_embed.*`): LN(token + position + type).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/layers.h"
#include "model/size.h"

namespace medcoss {

/// Token sequences; `real_BL` is true for tokens and false for padding.
struct TextInput {
  at::Tensor ids_BL;   // int64
  at::Tensor real_BL;  // bool
  /// Known to have no padding. Kept beside the mask, so that nobody waits for a device to tell.
  bool full = false;
};

/// `full` is read off a mask on the CPU.
TextInput text_input(const at::Tensor& ids_BL, const at::Tensor& real_BL);

class TextEmbedding {
 public:
  TextEmbedding(const Scope& scope, const ModelSize& size);
  /// [B,L] ids to [B,L,W].
  at::Tensor forward(const at::Tensor& ids_BL) const;
  /// Single tokens [N] at their places [N]: [N,W].
  at::Tensor forward(const at::Tensor& ids_N, const at::Tensor& place_N) const;

 private:
  at::Tensor tokens_;
  LayerNorm norm_;
  at::Tensor positions_, types_;
};

/// Additive mask of text attention, broadcastable to [B,heads,L,L]: a query sees real keys, with
/// `causal` only those not after it. With `tiled`, head h of sample b sees by the mask of sample
/// (heads b + h) mod B, as the published code does. Undefined where every query may see every key.
at::Tensor text_attention_mask(const TextInput& input, int64_t heads, const Behaviour& behaviour);

}  // namespace medcoss
