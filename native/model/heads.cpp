#include "model/heads.h"

#include "ops/autograd/linear.h"

namespace medcoss {

LanguageHead::LanguageHead(const Scope& scope, const ModelSize& size)
    : bias_(scope.add("bias", {size.vocabulary}, Initial::constant(0))),
      dense_(scope.within("transform.dense"), size.encoder_width, size.encoder_width),
      norm_(scope.within("transform.LayerNorm"), size.encoder_width, 1e-12),
      classes_(scope.add("decoder.weight", {size.vocabulary, size.encoder_width},
                         Initial::xavier(size.vocabulary, size.encoder_width))) {}

at::Tensor LanguageHead::forward(const at::Tensor& hidden_NW) const {
  const at::Tensor x = norm_.forward(exact_gelu(dense_.project(hidden_NW)));
  return linear_layer(x, classes_, bias_, product_type(x)).to(at::kFloat);
}

}  // namespace medcoss
