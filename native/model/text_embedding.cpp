#include "model/text_embedding.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/zeros.h>

namespace medcoss {
namespace {

constexpr int64_t position_rows = 512;
// Stands for minus infinity as the published code has it: its exponential is zero in float32.
constexpr double hidden = -10000;

}  // namespace

TextInput text_input(const at::Tensor& ids_BL, const at::Tensor& real_BL) {
  return {ids_BL, real_BL, real_BL.all().item<bool>()};
}

TextEmbedding::TextEmbedding(const Scope& scope, const ModelSize& size)
    : tokens_(scope.add_table("embeddings.weight", {size.vocabulary, size.encoder_width}, 1)),
      norm_(scope.within("embeddings_norm"), size.encoder_width, 1e-5),
      positions_(scope.add_table("embeddings_pos.position_embeddings.weight",
                                 {position_rows, size.encoder_width}, 1)),
      types_(scope.add_table("embeddings_token_type.weight", {2, size.encoder_width}, 1)) {}

at::Tensor TextEmbedding::forward(const at::Tensor& ids_BL) const {
  const at::Tensor added = positions_.narrow(0, 0, ids_BL.size(1)) + types_.select(0, 0);
  return norm_.forward(at::embedding(tokens_, ids_BL) + added);
}

at::Tensor TextEmbedding::forward(const at::Tensor& ids_N, const at::Tensor& place_N) const {
  const at::Tensor added = at::embedding(positions_, place_N) + types_.select(0, 0);
  return norm_.forward(at::embedding(tokens_, ids_N) + added);
}

at::Tensor text_attention_mask(const TextInput& input, int64_t heads, const Behaviour& behaviour) {
  const at::Tensor& real_BL = input.real_BL;
  const int64_t batch = real_BL.size(0);
  const int64_t length = real_BL.size(1);
  if (!behaviour.causal_text && input.full) return {};
  at::Tensor visible = real_BL.unsqueeze(1);  // [B,1,L]
  if (behaviour.causal_text) visible = visible.expand({batch, length, length}).tril();
  const at::Tensor mask = at::zeros(visible.sizes(), visible.options().dtype(at::kFloat))
                              .masked_fill_(~visible, hidden);
  if (!behaviour.tiled_text_mask) return mask.unsqueeze(1);
  const at::Tensor slots =
      at::arange(batch * heads, visible.options().dtype(at::kLong)).remainder_(batch);
  return mask.index_select(0, slots).view({batch, heads, mask.size(1), length});
}

}  // namespace medcoss
