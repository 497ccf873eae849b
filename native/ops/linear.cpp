#include "ops/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <optional>
#include <string_view>

namespace medcoss {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using LinearPointwise = at::Tensor(const at::Tensor&, const at::Tensor&,
                                   const std::optional<at::Tensor>&, std::string_view, Scalars,
                                   std::optional<std::string_view>);
using OneDnn = c10::TypedOperatorHandle<LinearPointwise>;

// MKL has no AVX-512 products for processors of AMD, oneDNN has; LibTorch's own operators choose
// MKL for float32 everywhere.
const std::optional<OneDnn>& onednn() {
  static const std::optional<OneDnn> found = []() -> std::optional<OneDnn> {
    if (!__builtin_cpu_is("amd") || !__builtin_cpu_supports("avx512f")) return std::nullopt;
    const auto op = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!op) return std::nullopt;
    return op->typed<LinearPointwise>();
  }();
  return found;
}

}  // namespace

at::Tensor linear(const at::Tensor& x_MI, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  const bool plain = x_MI.is_cpu() && x_MI.scalar_type() == at::kFloat && x_MI.size(0) > 0;
  if (plain && onednn()) {
    const std::optional<at::Tensor> bias =
        bias_O.defined() ? std::optional<at::Tensor>(bias_O) : std::nullopt;
    return onednn()->call(x_MI, weight_OI, bias, "none", Scalars(), std::nullopt);
  }
  return bias_O.defined() ? at::addmm(bias_O, x_MI, weight_OI.t()) : at::mm(x_MI, weight_OI.t());
}

}  // namespace medcoss
