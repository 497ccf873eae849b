#include "ops/autograd/feature_distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/cpu/feature_distance.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"

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

// The same on a CUDA device, where the number of elements stays.
class FeatureDistanceOnDevice : public torch::autograd::Function<FeatureDistanceOnDevice> {
 public:
  static Variable forward(AutogradContext* context, const Variable& student,
                          const Variable& teacher, const RealRows& real) {
    const DistanceOnDevice result = cuda_library().operations().feature_distance(
        student.flatten(0, -2), teacher.flatten(0, -2), real.mask);
    context->save_for_backward({student, teacher, result.elements});
    context->saved_data["mask"] = real.mask;
    return result.loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradient) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor result = cuda_library().operations().feature_distance_backward(
        gradient[0].contiguous(), saved[0].flatten(0, -2), saved[1].flatten(0, -2),
        context->saved_data["mask"].toTensor(), saved[2]);
    return {result.view_as(saved[0]), Variable(), Variable()};
  }
};

}  // namespace

at::Tensor feature_distance(const at::Tensor& student_BLW, const at::Tensor& teacher_BLW,
                            const at::Tensor& real_BL) {
  const at::Tensor student = student_BLW.to(at::kFloat).contiguous();
  const at::Tensor teacher = teacher_BLW.to(at::kFloat).contiguous();
  const RealRows real{real_BL.defined() ? real_BL.to(at::kBool).contiguous().flatten() : real_BL};
  return student.is_cpu() ? FeatureDistance::apply(student, teacher, real)
                          : FeatureDistanceOnDevice::apply(student, teacher, real);
}

}  // namespace medcoss
