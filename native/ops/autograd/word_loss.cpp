#include "ops/autograd/word_loss.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/autograd/no_autocast.h"
#include "ops/block.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "ops/linear.h"
#include "support/cuda.h"

namespace medcoss {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Rows of scores start at multiples of this: cuBLAS's kernels for rows of 30,522 values, which are
// no multiple of 16 bytes, are ten times as slow.
constexpr int64_t row_step = 64;

class WordLoss : public torch::autograd::Function<WordLoss> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x_NW,
                          const Variable& classes_VW, const Variable& bias_V,
                          const Variable& id_N) {
    const NoAutocast no_autocast;
    const at::Tensor weight = classes_VW.to(x_NW.scalar_type());
    const int64_t classes = weight.size(0);
    const int64_t stride = (classes + row_step - 1) / row_step * row_step;
    const at::Tensor scores = at::empty({x_NW.size(0), stride}, x_NW.options());
    at::Tensor products = scores.narrow(1, 0, classes);
    at::mm_out(products, x_NW, weight.t());
    const at::Tensor loss = cuda_library().operations().word_loss(scores, bias_V, id_N);
    context->save_for_backward({x_NW, weight, scores});
    return loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradient) {
    const NoAutocast no_autocast;
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& weight = saved[1];
    const at::Tensor& dscores = saved[2];
    cuda_library().operations().scale_gradient(gradient[0], dscores);
    const at::Tensor dproducts = dscores.narrow(1, 0, weight.size(0));
    return {linear(dproducts, weight.t()), weight_gradient(dproducts, saved[0]),
            column_sums(dscores).narrow(0, 0, weight.size(0)), Variable()};
  }
};

}  // namespace

at::Tensor word_loss(const at::Tensor& x_NW, const at::Tensor& classes_VW, const at::Tensor& bias_V,
                     const at::Tensor& id_N) {
  return WordLoss::apply(x_NW.contiguous(), classes_VW, bias_V, id_N.contiguous());
}

}  // namespace medcoss
