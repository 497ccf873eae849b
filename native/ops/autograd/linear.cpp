#include "ops/autograd/linear.h"

#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/autograd/no_autocast.h"
#include "ops/block.h"
#include "ops/linear.h"

namespace medcoss {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

class LinearLayer : public torch::autograd::Function<LinearLayer> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x_MI, const Variable& weight_OI,
                          const Variable& bias_O) {
    const NoAutocast no_autocast;
    context->save_for_backward({x_MI, weight_OI});
    return medcoss::linear(x_MI, weight_OI, bias_O);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradient) {
    const NoAutocast no_autocast;
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy_MO = gradient[0].contiguous();
    at::Tensor dx, dweight, dbias;
    if (context->needs_input_grad(0)) dx = medcoss::linear(dy_MO, saved[1].t());
    if (context->needs_input_grad(1)) dweight = weight_gradient(dy_MO, saved[0]);
    if (context->needs_input_grad(2)) dbias = column_sums(dy_MO);
    return {dx, dweight, dbias};
  }
};

}  // namespace

at::Tensor linear_layer(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O,
                        at::ScalarType type) {
  if (!takes_masters(x.device(), type)) return at::linear(x, weight_OI, bias_O);
  const at::Tensor x_MI = x.to(type).flatten(0, -2).contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight_OI.size(0);
  return LinearLayer::apply(x_MI, weight_OI.contiguous(), bias_O).view(shape);
}

}  // namespace medcoss
