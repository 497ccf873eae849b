#include "model/network.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/index_copy.h>
#include <ATen/ops/zeros.h>

namespace medcoss {
namespace {

std::optional<DecoderTokens> tokens_for(Network::Role role, const Scope& scope,
                                        const ModelSize& size, const Behaviour& behaviour) {
  if (role == Network::Role::teacher) return std::nullopt;
  return DecoderTokens(scope, size, behaviour.sincos_decoder_positions);
}

}  // namespace

Network::Heads::Heads(const Scope& scope, const ModelSize& size, DecoderTokens tokens,
                      BlockForm form)
    : decoder(scope, size, std::move(tokens), form), words(scope.within("mlm_head"), size) {}

Network::Network(const ModelSize& size, const Behaviour& behaviour, Role role, at::Device device)
    : size_(size),
      behaviour_(behaviour),
      scope_(parameters_, role == Role::student, device),
      class_token_(scope_.add_table("cls_token", {1, 1, size.encoder_width}, 0.02)),
      decoder_tokens_(tokens_for(role, scope_, size, behaviour)),
      encoder_(scope_.within("fused_encoder"), size, behaviour.blocks),
      text_(scope_.within("token_embed"), size),
      patches_(scope_.within("video_embed"), size) {
  if (role == Role::student) heads_.emplace(scope_, size, *decoder_tokens_, behaviour.blocks);
}

std::vector<Shadows*> Network::shadows() const {
  if (!heads_) return {&encoder_.shadows()};
  return {&encoder_.shadows(), &heads_->decoder.shadows(), &heads_->words.shadows()};
}

void Network::parameters_changed() const {
  for (Shadows* shadows : shadows()) shadows->forget();
}

at::Tensor Network::shadow_of(const at::Tensor& parameter) const {
  for (const Shadows* shadows : shadows()) {
    const at::Tensor shadow = shadows->existing(parameter);
    if (shadow.defined()) return shadow;
  }
  return {};
}

int64_t Network::shadow_count() const {
  int64_t count = 0;
  for (const Shadows* shadows : shadows()) count += shadows->count();
  return count;
}

bool Network::packs(const TextInput& input) const {
  return packs_texts(behaviour_) && input.real_BL.is_cpu() && !input.full;
}

// Padding stands behind the real tokens of a text, so none of these sees it where a token sees none
// behind it.
at::Tensor Network::encode_padded(const TextInput& input, const Stochastic& stochastic) const {
  const at::Tensor x = text_.forward(input.ids_BL);
  if (behaviour_.causal_text && packs_texts(behaviour_) && encoder_.takes_causal(x))
    return encoder_.forward_causal(x, stochastic);
  const at::Tensor mask = text_attention_mask(input, size_.encoder_heads, behaviour_);
  return encoder_.forward(x, mask, stochastic);
}

at::Tensor Network::encode_packed(const PackedText& text, const Stochastic& stochastic,
                                  const WantedRows& wanted) const {
  const at::Tensor x = text_.forward(text.ids_N, text.place_N);
  if (!behaviour_.causal_text)
    return encoder_.forward_packed(x, text.sequences, wanted, stochastic);
  const at::Tensor all = encoder_.forward_packed(x, text.sequences, {}, stochastic, true);
  return wanted.row_Q.defined() ? all.index_select(0, wanted.row_Q) : all;
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
  if (packs(input)) {
    const PackedText text(input);
    const at::Tensor rows = encode_packed(text, stochastic, {});
    const int64_t count = input.real_BL.numel();
    return at::zeros({count, rows.size(1)}, rows.options())
        .index_copy(0, text.row_N, rows)
        .view({input.real_BL.size(0), input.real_BL.size(1), rows.size(1)});
  }
  const at::Tensor encoded = encode_padded(input, stochastic);
  // As packed texts leave padding.
  const bool leaves = packs_texts(behaviour_) && !input.full;
  return leaves ? encoded * input.real_BL.unsqueeze(-1) : encoded;
}

at::Tensor Network::encode_text_rows(const TextInput& input, const Stochastic& stochastic,
                                     const at::Tensor& position_N) const {
  if (packs_texts(behaviour_) && input.real_BL.is_cpu()) {
    const PackedText text(input);
    const WantedRows wanted = text.wanted(input, position_N);
    if (wanted.row_Q.defined()) return encode_packed(text, stochastic, wanted);
  }
  const at::Tensor mask = text_attention_mask(input, size_.encoder_heads, behaviour_);
  return encoder_.forward_rows(text_.forward(input.ids_BL), mask, stochastic, position_N);
}

at::Tensor Network::encode_filled(const FilledText& text, const Stochastic& stochastic,
                                  const at::Tensor& row_Q) const {
  return encoder_.forward_packed(text_.forward(text.ids_N, text.place_N), text.sequences(),
                                 {row_Q, {}}, stochastic, behaviour_.causal_text);
}

// What the language head takes.
at::Tensor Network::for_words(const at::Tensor& encoded_NW) const {
  if (!behaviour_.decoder_text_position) return encoded_NW;
  return encoded_NW + heads_->decoder.text_positions().select(0, 0);
}

at::Tensor Network::word_scores(const at::Tensor& encoded_NW) const {
  return heads_->words.forward(for_words(encoded_NW));
}

at::Tensor Network::word_loss(const at::Tensor& encoded_NW, const at::Tensor& id_N) const {
  return heads_->words.loss(for_words(encoded_NW), id_N);
}

}  // namespace medcoss
