#include "ops/autograd/feature_distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/cpu/feature_distance.h"

namespace medcoss {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

FeaturePair pair_of(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& real) {
  const int64_t width = student.size(-1);
  return {student.data_ptr<float>(), teacher.data_ptr<float>(),
          real.defined() ? real.data_ptr<bool>() : nullptr, student.numel() / width, width};
}

// Hidden from autograd, which takes no undefined tensor as an input.
struct RealRows {
  at::Tensor mask;
};

// On the CPU, with contiguous float32 features.
class FeatureDistance : public torch::autograd::Function<FeatureDistance> {
 public:
  static Variable forward(AutogradContext* context, const Variable& student,
                          const Variable& teacher, const RealRows& real) {
    const FeaturePair pair = pair_of(student, teacher, real.mask);
    const int64_t rows = real.mask.defined() ? real.mask.sum().item<int64_t>() : pair.rows;
    const auto elements = static_cast<double>(rows * pair.width);
    context->save_for_backward({student, teacher});
    context->saved_data["mask"] = real.mask;
    context->saved_data["elements"] = elements;
    return at::scalar_tensor(squared_difference(pair) / elements, at::kFloat);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradient) {
    const variable_list saved = context->get_saved_variables();
    const double factor =
        2 * gradient[0].item<double>() / context->saved_data["elements"].toDouble();
    const at::Tensor mask = context->saved_data["mask"].toTensor();
    at::Tensor result = at::empty_like(saved[0]);
    scaled_difference(pair_of(saved[0], saved[1], mask), static_cast<float>(factor),
                      result.data_ptr<float>());
    return {result, Variable(), Variable()};
  }
};

}  // namespace

at::Tensor feature_distance(const at::Tensor& student_BLW, const at::Tensor& teacher_BLW,
                            const at::Tensor& real_BL) {
  const at::Tensor student = student_BLW.to(at::kFloat).contiguous();
  const at::Tensor teacher = teacher_BLW.to(at::kFloat).contiguous();
  if (student.is_cpu()) {
    const at::Tensor real = real_BL.defined() ? real_BL.to(at::kBool).contiguous() : real_BL;
    return FeatureDistance::apply(student, teacher, RealRows{real});
  }
  if (!real_BL.defined()) return at::mse_loss(student, teacher);
  // A mask as factors keeps shapes fixed: nothing waits for the number of marked rows.
  const at::Tensor real = real_BL.to(at::kFloat);
  const at::Tensor squares_BL = (student - teacher).square().mean(-1);
  return (squares_BL * real).sum() / real.sum();
}

}  // namespace medcoss
