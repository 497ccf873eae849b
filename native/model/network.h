// The whole pre-training network: embeddings, shared encoder, decoder of patches and head of words.
//
// Invariant: `parameters()` has the published names, shapes and order; without heads, the teacher's
// subset. Shape letters: B batch, L tokens, K kept, W encoder width.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "model/decoder.h"
#include "model/encoder.h"
#include "model/heads.h"
#include "model/masking.h"
#include "model/packed_text.h"
#include "model/patch_embedding.h"
#include "model/size.h"
#include "model/text_embedding.h"

namespace medcoss {

class Network {
 public:
  enum class Role { student, teacher };
  /// Values of the parameters are not set. A teacher has no decoder, no heads and no gradients.
  Network(const ModelSize& size, const Behaviour& behaviour, Role role, at::Device device);

  const ParameterList& parameters() const { return parameters_; }
  const ModelSize& size() const { return size_; }
  const Behaviour& behaviour() const { return behaviour_; }
  /// To be called whenever values of parameters have changed, once a pass has been made.
  void parameters_changed() const;
  /// The copy of a parameter in the type of matrix products, undefined where there is none; whoever
  /// changes both alike need not tell. And the number of such copies.
  at::Tensor shadow_of(const at::Tensor& parameter) const;
  int64_t shadow_count() const;

  /// [B,1+K,W], the class token first.
  at::Tensor encode_visual(const VisualInput& input, const Masking& masking,
                           const Stochastic& stochastic) const;
  /// [B,L,W].
  at::Tensor encode_text(const TextInput& input, const Stochastic& stochastic) const;
  /// Rows of the same at flat positions [N] of [B L]: [N,W].
  at::Tensor encode_text_rows(const TextInput& input, const Stochastic& stochastic,
                              const at::Tensor& position_N) const;
  /// Rows of texts without padding: [N,W], or those that `row_Q` names, each once (undefined: all).
  at::Tensor encode_filled(const FilledText& text, const Stochastic& stochastic,
                           const at::Tensor& row_Q = {}) const;
  /// Scores [N,vocabulary] of rows [N,W] of encoded text.
  at::Tensor word_scores(const at::Tensor& encoded_NW) const;
  /// Their mean cross entropy with words [N], int64; -100: the row does not count.
  at::Tensor word_loss(const at::Tensor& encoded_NW, const at::Tensor& id_N) const;
  const Decoder& decoder() const { return heads_->decoder; }

 private:
  std::vector<Shadows*> shadows() const;
  bool packs(const TextInput& input) const;
  at::Tensor encode_padded(const TextInput& input, const Stochastic& stochastic) const;
  /// All rows, or those that are wanted.
  at::Tensor encode_packed(const PackedText& text, const Stochastic& stochastic,
                           const WantedRows& wanted) const;
  at::Tensor for_words(const at::Tensor& encoded_NW) const;

  struct Heads {
    Decoder decoder;
    LanguageHead words;
    Heads(const Scope& scope, const ModelSize& size, DecoderTokens tokens, BlockForm form);
  };

  ModelSize size_;
  Behaviour behaviour_;
  ParameterList parameters_;
  Scope scope_;
  at::Tensor class_token_;
  std::optional<DecoderTokens> decoder_tokens_;
  Encoder encoder_;
  TextEmbedding text_;
  PatchEmbedding patches_;
  std::optional<Heads> heads_;
};

}  // namespace medcoss
