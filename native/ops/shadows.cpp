#include "ops/shadows.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

namespace medcoss {

at::Tensor Shadows::of(const at::Tensor& master, at::ScalarType type) {
  if (master.scalar_type() == type) return master;
  const at::NoGradGuard no_grad;
  Copy& copy = copies_[master.unsafeGetTensorImpl()];
  if (!copy.tensor.defined() || copy.tensor.scalar_type() != type) {
    const auto options = master.options().dtype(type).requires_grad(false);
    copy = {at::empty_like(master, options), {}, false};
  }
  refresh(copy, master);
  return copy.tensor;
}

at::Tensor Shadows::filled_up(const at::Tensor& master, at::ScalarType type, int64_t rows) {
  const at::NoGradGuard no_grad;
  Copy unkept;
  Copy& copy = master.scalar_type() == type ? unkept : copies_[master.unsafeGetTensorImpl()];
  if (!copy.whole.defined() || copy.whole.scalar_type() != type || copy.whole.size(0) != rows) {
    const auto options = master.options().dtype(type).requires_grad(false);
    const at::Tensor whole = at::zeros({rows, master.size(1)}, options);
    copy = {whole.narrow(0, 0, master.size(0)), whole, false};
  }
  refresh(copy, master);
  return copy.whole;
}

void Shadows::refresh(Copy& copy, const at::Tensor& master) {
  if (!copy.fresh) copy.tensor.copy_(master);
  copy.fresh = true;
}

at::Tensor Shadows::existing(const at::Tensor& master) const {
  const auto found = copies_.find(master.unsafeGetTensorImpl());
  return found == copies_.end() ? at::Tensor() : found->second.tensor;
}

void Shadows::forget() {
  for (auto& [master, copy] : copies_) copy.fresh = false;
}

}  // namespace medcoss
