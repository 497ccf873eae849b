// The head that guesses masked words (`mlm_head.*`).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/layers.h"
#include "model/size.h"
#include "ops/shadows.h"

namespace medcoss {

class LanguageHead {
 public:
  LanguageHead(const Scope& scope, const ModelSize& size);
  /// Hidden states [N,W] to scores of all classes [N,vocabulary], float32.
  at::Tensor forward(const at::Tensor& hidden_NW) const;
  /// Mean cross entropy with words [N], int64; -100: the row does not count.
  at::Tensor loss(const at::Tensor& hidden_NW, const at::Tensor& id_N) const;
  /// To be told whenever parameters have changed.
  Shadows& shadows() const { return shadows_; }

 private:
  at::Tensor transformed(const at::Tensor& hidden_NW) const;

  at::Tensor bias_;
  Linear dense_;
  LayerNorm norm_;
  at::Tensor classes_;
  mutable Shadows shadows_;
};

}  // namespace medcoss
