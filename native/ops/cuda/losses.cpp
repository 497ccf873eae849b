// Launchers of losses with their gradients.
#include <ATen/ops/empty_like.h>

#include "ops/cuda/launch_support.h"
#include "ops/cuda/launchers.h"
#include "ops/cuda/loss_kernels.h"

namespace medcoss::cuda {
namespace {

const bool* flags(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<bool>() : nullptr;
}

double* doubles(const at::Tensor& x) {
  return x.mutable_data_ptr<double>();
}

}  // namespace

DistanceOnDevice Launchers::feature_distance(const at::Tensor& student_NW,
                                             const at::Tensor& teacher_NW,
                                             const at::Tensor& real_N) {
  const Launch launch(student_NW);
  const int64_t rows = student_NW.size(0);
  DistanceOnDevice out{fresh({}, student_NW, at::kFloat), fresh({}, student_NW, at::kDouble)};
  const at::Tensor workspace = fresh({feature_distance_workspace(rows)}, student_NW, at::kDouble);
  cuda::feature_distance(
      {floats(student_NW), floats(teacher_NW), flags(real_N), rows, student_NW.size(1),
       doubles(workspace), doubles(out.elements), mutable_floats(out.loss)},
      launch.stream);
  check_launch("feature_distance");
  return out;
}

at::Tensor Launchers::feature_distance_backward(const at::Tensor& upstream,
                                                const at::Tensor& student_NW,
                                                const at::Tensor& teacher_NW,
                                                const at::Tensor& real_N,
                                                const at::Tensor& elements) {
  const Launch launch(student_NW);
  at::Tensor gradient = at::empty_like(student_NW);
  cuda::feature_distance_backward(
      {floats(upstream), floats(student_NW), floats(teacher_NW), flags(real_N),
       elements.const_data_ptr<double>(), mutable_floats(gradient), student_NW.size(0),
       student_NW.size(1)},
      launch.stream);
  check_launch("feature_distance_backward");
  return gradient;
}

PatchLossOnDevice Launchers::patch_loss(const at::Tensor& predicted_BRV,
                                        const at::Tensor& patches_BLV,
                                        const at::Tensor& removed_BR) {
  const Launch launch(predicted_BRV);
  PatchLossOnDevice out{fresh({}, predicted_BRV, at::kFloat), at::empty_like(predicted_BRV)};
  const at::Tensor workspace = fresh({removed_BR.numel()}, predicted_BRV, at::kDouble);
  for_compute_type(predicted_BRV.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::patch_loss<T>(
        {values<T>(predicted_BRV), floats(patches_BLV), removed_BR.const_data_ptr<int64_t>(),
         removed_BR.size(0), removed_BR.size(1), patches_BLV.size(1), patches_BLV.size(2),
         doubles(workspace), mutable_values<T>(out.gradient_BRV), mutable_floats(out.loss)},
        launch.stream);
  });
  check_launch("patch_loss");
  return out;
}

at::Tensor Launchers::word_loss(const at::Tensor& scores_NP, const at::Tensor& bias_V,
                                const at::Tensor& id_N) {
  const Launch launch(scores_NP);
  const int64_t rows = scores_NP.size(0);
  at::Tensor loss = fresh({}, scores_NP, at::kFloat);
  const at::Tensor workspace = fresh({rows}, scores_NP, at::kDouble);
  const at::Tensor counted = fresh({}, scores_NP, at::kDouble);
  for_compute_type(scores_NP.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::word_loss<T>({mutable_values<T>(scores_NP), floats(bias_V),
                        id_N.const_data_ptr<int64_t>(), rows, bias_V.size(0), scores_NP.size(1),
                        doubles(workspace), doubles(counted), mutable_floats(loss)},
                       launch.stream);
  });
  check_launch("word_loss");
  return loss;
}

void Launchers::scale_gradient(const at::Tensor& upstream, const at::Tensor& gradient) {
  const Launch launch(gradient);
  for_compute_type(gradient.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::scale_gradient<T>({floats(upstream), mutable_values<T>(gradient), gradient.numel()},
                            launch.stream);
  });
  check_launch("scale_gradient");
}

}  // namespace medcoss::cuda
