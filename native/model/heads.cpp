#include "model/heads.h"

#include <ATen/ops/cross_entropy_loss.h>

#include "ops/autograd/linear.h"
#include "ops/autograd/word_loss.h"

namespace medcoss {

LanguageHead::LanguageHead(const Scope& scope, const ModelSize& size)
    : bias_(scope.add("bias", {size.vocabulary}, Initial::constant(0))),
      dense_(scope.within("transform.dense"), size.encoder_width, size.encoder_width),
      norm_(scope.within("transform.LayerNorm"), size.encoder_width, 1e-12),
      classes_(scope.add("decoder.weight", {size.vocabulary, size.encoder_width},
                         Initial::xavier(size.vocabulary, size.encoder_width))) {}

at::Tensor LanguageHead::transformed(const at::Tensor& hidden_NW) const {
  return norm_.forward(exact_gelu(dense_.project(hidden_NW)));
}

at::Tensor LanguageHead::loss(const at::Tensor& hidden_NW, const at::Tensor& id_N) const {
  if (hidden_NW.is_cpu()) return at::cross_entropy_loss(forward(hidden_NW), id_N);
  const at::Tensor x = transformed(hidden_NW);
  return word_loss(x.to(product_type(x)), classes_, bias_, id_N, shadows_);
}

at::Tensor LanguageHead::forward(const at::Tensor& hidden_NW) const {
  const at::Tensor x = transformed(hidden_NW);
  return linear_layer(x, classes_, bias_, product_type(x)).to(at::kFloat);
}

}  // namespace medcoss
