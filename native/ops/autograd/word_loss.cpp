#include "ops/autograd/word_loss.h"

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

// The vocabulary is filled up to multiples of this with words whose weights are zero and whose
// scores nobody reads: cuBLAS's kernels for 30,522 words, no multiple of 16 bytes, are ten times as
// slow.
constexpr int64_t word_step = 64;

class WordLoss : public torch::autograd::Function<WordLoss> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x_NW,
                          const Variable& classes_VW, const Variable& bias_V,
                          const Variable& weight_PW, const Variable& id_N) {
    const NoAutocast no_autocast;
    const at::Tensor scores_NP = at::mm(x_NW, weight_PW.t());
    const at::Tensor loss = cuda_library().operations().word_loss(scores_NP, bias_V, id_N);
    context->save_for_backward({x_NW, weight_PW, scores_NP});
    context->saved_data["words"] = classes_VW.size(0);
    return loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradient) {
    const NoAutocast no_autocast;
    const variable_list saved = context->get_saved_variables();
    const int64_t words = context->saved_data["words"].toInt();
    const at::Tensor& dscores_NP = saved[2];
    cuda_library().operations().scale_gradient(gradient[0], dscores_NP);
    return {linear(dscores_NP, saved[1].t()),
            weight_gradient(dscores_NP, saved[0]).narrow(0, 0, words),
            column_sums(dscores_NP).narrow(0, 0, words), Variable(), Variable()};
  }
};

}  // namespace

at::Tensor word_loss(const at::Tensor& x_NW, const at::Tensor& classes_VW, const at::Tensor& bias_V,
                     const at::Tensor& id_N, Shadows& shadows) {
  const int64_t words = (classes_VW.size(0) + word_step - 1) / word_step * word_step;
  const at::Tensor weight_PW = shadows.filled_up(classes_VW, x_NW.scalar_type(), words);
  return WordLoss::apply(x_NW.contiguous(), classes_VW, bias_V, weight_PW, id_N.contiguous());
}

}  // namespace medcoss
