// Launcher of the optimiser.
#include <algorithm>

#include "ops/cuda/adamw_kernels.h"
#include "ops/cuda/launch_support.h"
#include "ops/cuda/launchers.h"

namespace medcoss::cuda {
namespace {

// Kernels see flat memory: a gradient of other strides than the value's would be taken for another.
AdamwSlot slot_of(const AdamwTensor& t) {
  const bool flat = t.value.is_contiguous() && t.average.is_contiguous() &&
                    t.square.is_contiguous() &&
                    (!t.gradient.defined() || t.gradient.is_contiguous()) &&
                    (!t.shadow.defined() || t.shadow.is_contiguous());
  if (!flat) refuse("a tensor of the optimiser", "contiguous values", "other strides");
  const bool half = t.gradient.defined() && t.gradient.scalar_type() == at::kBFloat16;
  return {mutable_floats(t.value),
          t.gradient.defined() ? t.gradient.const_data_ptr() : nullptr,
          mutable_floats(t.average),
          mutable_floats(t.square),
          mutable_floats(t.steps),
          mutable_values<__nv_bfloat16>(t.shadow),
          t.value.numel(),
          half,
          t.decays};
}

}  // namespace

at::Tensor Launchers::adamw(const std::vector<AdamwTensor>& tensors,
                            const at::Tensor& learning_rate, const at::Tensor& loss,
                            const AdamwOptions& options) {
  const Launch launch(loss);
  std::vector<AdamwSlot> slots(tensors.size());
  std::transform(tensors.begin(), tensors.end(), slots.begin(), slot_of);
  at::Tensor outcome = fresh({2}, loss, at::kDouble);
  const at::Tensor workspace = fresh({adamw_workspace(slots)}, loss, at::kDouble);
  cuda::adamw(slots,
              {options.beta1, options.beta2, options.epsilon, options.weight_decay,
               options.max_norm, floats(learning_rate), floats(loss),
               outcome.mutable_data_ptr<double>(), workspace.mutable_data_ptr<double>()},
              launch.stream);
  check_launch("adamw");
  return outcome;
}

}  // namespace medcoss::cuda
