#include "ops/autograd/patch_loss.h"

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/cpu/patch_loss.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"

namespace medcoss {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

class PatchLoss : public torch::autograd::Function<PatchLoss> {
 public:
  static Variable forward(AutogradContext* context, const Variable& predicted,
                          const Variable& patches, const Variable& removed) {
    if (predicted.is_cpu()) {
      const cpu::PatchLoss result = cpu::patch_loss(predicted, patches, removed);
      context->save_for_backward({result.gradient_BRV});
      return result.loss;
    }
    const PatchLossOnDevice result =
        cuda_library().operations().patch_loss(predicted, patches, removed);
    context->save_for_backward({result.gradient_BRV});
    return result.loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradient) {
    const at::Tensor saved = context->get_saved_variables()[0];
    if (saved.is_cuda()) {
      cuda_library().operations().scale_gradient(gradient[0], saved);
      return {saved, Variable(), Variable()};
    }
    // A step that is not computed in parts needs no copy.
    if (gradient[0].item<float>() == 1) return {saved, Variable(), Variable()};
    // In bfloat16 the factor would be rounded before the product.
    const at::Tensor scaled = saved.to(at::kFloat) * gradient[0];
    return {scaled.to(saved.scalar_type()), Variable(), Variable()};
  }
};

}  // namespace

at::Tensor patch_loss(const at::Tensor& predicted_BRV, const at::Tensor& patches_BLV,
                      const at::Tensor& removed_BR) {
  return PatchLoss::apply(predicted_BRV.contiguous(), patches_BLV.contiguous(),
                          removed_BR.contiguous());
}

}  // namespace medcoss
