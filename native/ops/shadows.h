// Copies of a network's weights in the type of its matrix products, made once per step.
//
// Invariant: a copy is made again before its first use after `forget`; where the type is that of
// the weights, they themselves are used, or copies that are not kept.
#pragma once

#include <ATen/core/Tensor.h>

#include <unordered_map>

namespace medcoss {

class Shadows {
 public:
  /// `master` in `type`; the memory stays the same from step to step.
  at::Tensor of(const at::Tensor& master, at::ScalarType type);
  /// The same with rows of zeros behind it, `rows` in all. Where the type is that of the weights, a
  /// copy that is not kept.
  at::Tensor filled_up(const at::Tensor& master, at::ScalarType type, int64_t rows);
  /// The copy that there is, undefined without one. Whoever changes `master` and it alike need not
  /// call `forget`.
  at::Tensor existing(const at::Tensor& master) const;
  int64_t count() const { return static_cast<int64_t>(copies_.size()); }
  /// To be called whenever weights have changed.
  void forget();

 private:
  struct Copy {
    at::Tensor tensor;
    /// With the rows behind it.
    at::Tensor whole;
    bool fresh = false;
  };
  /// `copy` holds what `master` is.
  static void refresh(Copy& copy, const at::Tensor& master);

  std::unordered_map<const c10::TensorImpl*, Copy> copies_;
};

}  // namespace medcoss
