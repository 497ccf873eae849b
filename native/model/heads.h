// The head that guesses masked words (`mlm_head.*`).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/layers.h"
#include "model/size.h"

namespace medcoss {

class LanguageHead {
 public:
  LanguageHead(const Scope& scope, const ModelSize& size);
  /// Hidden states [N,W] to scores of all classes [N,vocabulary], float32.
  at::Tensor forward(const at::Tensor& hidden_NW) const;

 private:
  at::Tensor bias_;
  Linear dense_;
  LayerNorm norm_;
  at::Tensor classes_;
};

}  // namespace medcoss
