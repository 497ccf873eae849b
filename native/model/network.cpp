#include "model/network.h"

#include <ATen/ops/cat.h>

namespace medcoss {
namespace {

std::optional<DecoderTokens> tokens_for(Network::Role role, const Scope& scope,
                                        const ModelSize& size, const Behaviour& behaviour) {
  if (role == Network::Role::teacher) return std::nullopt;
  return DecoderTokens(scope, size, behaviour.sincos_decoder_positions);
}

}  // namespace

Network::Heads::Heads(const Scope& scope, const ModelSize& size, DecoderTokens tokens)
    : decoder(scope, size, std::move(tokens)), words(scope.within("mlm_head"), size) {}

Network::Network(const ModelSize& size, const Behaviour& behaviour, Role role, at::Device device)
    : size_(size),
      behaviour_(behaviour),
      scope_(parameters_, role == Role::student, device),
      class_token_(scope_.add_table("cls_token", {1, 1, size.encoder_width}, 0.02)),
      decoder_tokens_(tokens_for(role, scope_, size, behaviour)),
      encoder_(scope_.within("fused_encoder"), size),
      text_(scope_.within("token_embed"), size),
      patches_(scope_.within("video_embed"), size) {
  if (role == Role::student) heads_.emplace(scope_, size, *decoder_tokens_);
}

at::Tensor Network::encode_visual(const VisualInput& input, const Masking& masking,
                                  const Stochastic& stochastic) const {
  VisualInput kept = input;
  if (masking.hides()) kept.patches_BLV = gather_rows(input.patches_BLV, masking.kept_BK);
  const at::Tensor tokens = patches_.forward(kept, masking.kept_BK, stochastic.frame_1);
  const at::Tensor first = class_token_.expand({tokens.size(0), 1, tokens.size(2)});
  return encoder_.forward(at::cat({first, tokens}, 1), {}, stochastic);
}

at::Tensor Network::encode_text(const TextInput& input, const Stochastic& stochastic) const {
  const at::Tensor mask = text_attention_mask(input, size_.encoder_heads, behaviour_);
  return encoder_.forward(text_.forward(input.ids_BL), mask, stochastic);
}

at::Tensor Network::encode_text_rows(const TextInput& input, const Stochastic& stochastic,
                                     const at::Tensor& position_N) const {
  const at::Tensor mask = text_attention_mask(input, size_.encoder_heads, behaviour_);
  return encoder_.forward_rows(text_.forward(input.ids_BL), mask, stochastic, position_N);
}

at::Tensor Network::word_scores(const at::Tensor& encoded_NW) const {
  if (!behaviour_.decoder_text_position) return heads_->words.forward(encoded_NW);
  return heads_->words.forward(encoded_NW + heads_->decoder.text_positions().select(0, 0));
}

}  // namespace medcoss
