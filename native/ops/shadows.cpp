#include "ops/shadows.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

namespace medcoss {

at::Tensor Shadows::of(const at::Tensor& master, at::ScalarType type) {
  if (master.scalar_type() == type) return master;
  const at::NoGradGuard no_grad;
  Copy& copy = copies_[master.unsafeGetTensorImpl()];
  if (!copy.tensor.defined() || copy.tensor.scalar_type() != type) {
    copy = {at::empty_like(master, master.options().dtype(type).requires_grad(false)), false};
  }
  if (!copy.fresh) copy.tensor.copy_(master);
  copy.fresh = true;
  return copy.tensor;
}

at::Tensor Shadows::existing(const at::Tensor& master) const {
  const auto found = copies_.find(master.unsafeGetTensorImpl());
  return found == copies_.end() ? at::Tensor() : found->second.tensor;
}

void Shadows::forget() {
  for (auto& [master, copy] : copies_) copy.fresh = false;
}

}  // namespace medcoss
