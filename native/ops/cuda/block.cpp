// Launchers of the operations on transformer blocks. Sums of no rows are written too, as zeros.
#include <ATen/ops/empty_like.h>

#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch_support.h"
#include "ops/cuda/launchers.h"

namespace medcoss::cuda {
namespace {

int64_t rows_per_sample(const at::Tensor& x_NW, const BranchScale& scale) {
  if (!scale.scale_B.defined() || scale.scale_B.size(0) == 0) return 1;
  return x_NW.size(0) / scale.scale_B.size(0);
}

void forward(const at::Tensor& x_NW, const at::Tensor& branch_NW, const BranchScale& scale,
             const Norm& norm, const ResidualNormed& out) {
  const Launch launch(x_NW);
  const Normed& normed = out.normed;
  for_compute_type(normed.y_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    norm_forward<T>(
        {floats(x_NW), values<T>(branch_NW), floats(scale.gamma_W), floats(scale.scale_B),
         floats(norm.weight_W), floats(norm.bias_W), static_cast<float>(norm.epsilon),
         mutable_floats(out.x_NW), mutable_values<T>(normed.y_NW), mutable_floats(normed.mean_N),
         mutable_floats(normed.rstd_N), x_NW.size(0), x_NW.size(1), rows_per_sample(x_NW, scale)},
        launch.stream);
  });
  check_launch("layer_norm");
}

Normed fresh_normed(const at::Tensor& x_NW, at::ScalarType type) {
  return {fresh(x_NW.sizes(), x_NW, type), fresh({x_NW.size(0)}, x_NW, at::kFloat),
          fresh({x_NW.size(0)}, x_NW, at::kFloat)};
}

struct BackwardInputs {
  const at::Tensor& dy_NW;
  const at::Tensor& dx_residual_NW;
  const at::Tensor& x_NW;
  const Normed& normed;
  const Norm& norm;
  at::Tensor branch_NW;
  BranchScale scale;
};

// Returns the sums over rows [norm_sums,W].
at::Tensor backward(const BackwardInputs& in, const at::Tensor& dx_NW,
                    const at::Tensor& dbranch_NW) {
  const Launch launch(in.x_NW);
  const int64_t rows = in.x_NW.size(0);
  const int64_t width = in.x_NW.size(1);
  const bool has_gamma = in.scale.gamma_W.defined();
  at::Tensor sums;
  const at::Tensor workspace = fresh({norm_workspace(rows, width)}, in.x_NW, at::kFloat);
  for_compute_type(in.dy_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    NormBackward<T> p{values<T>(in.dy_NW),
                      floats(in.dx_residual_NW),
                      floats(in.x_NW),
                      floats(in.normed.mean_N),
                      floats(in.normed.rstd_N),
                      floats(in.norm.weight_W),
                      has_gamma ? values<T>(in.branch_NW) : nullptr,
                      floats(in.scale.gamma_W),
                      floats(in.scale.scale_B),
                      mutable_floats(dx_NW),
                      mutable_values<T>(dbranch_NW),
                      mutable_floats(workspace),
                      nullptr,
                      rows,
                      width,
                      rows_per_sample(in.x_NW, in.scale)};
    sums = fresh({norm_sums(p), width}, in.x_NW, at::kFloat);
    p.sums = mutable_floats(sums);
    norm_backward<T>(p, launch.stream);
  });
  check_launch("layer_norm_backward");
  return sums;
}

}  // namespace

Normed Launchers::layer_norm(const at::Tensor& x_NW, const Norm& norm, at::ScalarType type) {
  const Normed normed = fresh_normed(x_NW, type);
  forward(x_NW, {}, {}, norm, {{}, normed});
  return normed;
}

ResidualNormed Launchers::residual_layer_norm(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                              const BranchScale& scale, const Norm& norm) {
  const ResidualNormed out{at::empty_like(x_NW), fresh_normed(x_NW, branch_NW.scalar_type())};
  forward(x_NW, branch_NW, scale, norm, out);
  return out;
}

at::Tensor Launchers::residual_add(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                   const BranchScale& scale) {
  const Launch launch(x_NW);
  at::Tensor out = at::empty_like(x_NW);
  for_compute_type(branch_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::residual_add<T>(
        {floats(x_NW), values<T>(branch_NW), floats(scale.gamma_W), floats(scale.scale_B),
         mutable_floats(out), x_NW.size(0), x_NW.size(1), rows_per_sample(x_NW, scale)},
        launch.stream);
  });
  check_launch("residual_add");
  return out;
}

NormGradients Launchers::layer_norm_backward(const at::Tensor& dy_NW,
                                             const at::Tensor& dx_residual_NW,
                                             const at::Tensor& x_NW, const Normed& normed,
                                             const Norm& norm) {
  const at::Tensor dx = at::empty_like(x_NW);
  const at::Tensor sums = backward({dy_NW, dx_residual_NW, x_NW, normed, norm, {}, {}}, dx, {});
  return {dx, sums.select(0, 0), sums.select(0, 1)};
}

std::pair<NormGradients, BranchGradients> Launchers::residual_layer_norm_backward(
    const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW, const ResidualNormed& after,
    const at::Tensor& branch_NW, const BranchScale& scale, const Norm& norm) {
  const at::Tensor dx = at::empty_like(after.x_NW);
  const at::Tensor dbranch = at::empty_like(branch_NW);
  const at::Tensor sums = backward(
      {dy_NW, dx_residual_NW, after.x_NW, after.normed, norm, branch_NW, scale}, dx, dbranch);
  const at::Tensor dgamma = scale.gamma_W.defined() ? sums.select(0, 3) : at::Tensor();
  return {{dx, sums.select(0, 0), sums.select(0, 1)}, {dbranch, dgamma, sums.select(0, 2)}};
}

BranchGradients Launchers::residual_add_backward(const at::Tensor& dx_NW,
                                                 const at::Tensor& branch_NW,
                                                 const BranchScale& scale) {
  const Launch launch(dx_NW);
  const int64_t rows = dx_NW.size(0);
  const int64_t width = dx_NW.size(1);
  const at::Tensor dbranch = at::empty_like(branch_NW);
  const bool has_gamma = scale.gamma_W.defined();
  const int64_t count = has_gamma ? 2 : 1;
  const at::Tensor sums = fresh({count, width}, dx_NW, at::kFloat);
  const at::Tensor workspace = fresh({count * column_workspace(rows, width)}, dx_NW, at::kFloat);
  for_compute_type(branch_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::residual_add_backward<T>(
        {floats(dx_NW), has_gamma ? values<T>(branch_NW) : nullptr, floats(scale.gamma_W),
         floats(scale.scale_B), mutable_values<T>(dbranch), mutable_floats(workspace),
         mutable_floats(sums), rows, width, rows_per_sample(dx_NW, scale)},
        launch.stream);
  });
  check_launch("residual_add_backward");
  return {dbranch, has_gamma ? sums.select(0, 1) : at::Tensor(), sums.select(0, 0)};
}

at::Tensor Launchers::bias_gelu(const at::Tensor& u_NH, const at::Tensor& bias_H) {
  const Launch launch(u_NH);
  at::Tensor out = at::empty_like(u_NH);
  for_compute_type(u_NH.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::bias_gelu<T>(
        {values<T>(u_NH), floats(bias_H), mutable_values<T>(out), u_NH.size(0), u_NH.size(1)},
        launch.stream);
  });
  check_launch("bias_gelu");
  return out;
}

GeluGradients Launchers::bias_gelu_backward(const at::Tensor& da_NH, const at::Tensor& u_NH,
                                            const at::Tensor& bias_H, const at::Tensor& kept_a_NH) {
  const Launch launch(u_NH);
  const int64_t rows = u_NH.size(0);
  const int64_t width = u_NH.size(1);
  const bool kept = kept_a_NH.defined();
  const GeluGradients out{at::empty_like(u_NH), kept ? kept_a_NH : at::empty_like(u_NH),
                          fresh({width}, bias_H, at::kFloat)};
  const at::Tensor workspace = fresh({column_workspace(rows, width)}, u_NH, at::kFloat);
  for_compute_type(u_NH.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::bias_gelu_backward<T>(
        {values<T>(da_NH), values<T>(u_NH), floats(bias_H), mutable_values<T>(out.du_NH),
         kept ? nullptr : mutable_values<T>(out.a_NH), mutable_floats(workspace),
         mutable_floats(out.dbias_H), rows, width},
        launch.stream);
  });
  check_launch("bias_gelu_backward");
  return out;
}

at::Tensor Launchers::column_sums(const at::Tensor& x_NW) {
  const Launch launch(x_NW);
  const int64_t rows = x_NW.size(0);
  const int64_t width = x_NW.size(1);
  at::Tensor sums = fresh({width}, x_NW, at::kFloat);
  const at::Tensor workspace = fresh({column_workspace(rows, width)}, x_NW, at::kFloat);
  for_compute_type(x_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::column_sums<T>(
        {values<T>(x_NW), mutable_floats(workspace), mutable_floats(sums), rows, width},
        launch.stream);
  });
  check_launch("column_sums");
  return sums;
}

}  // namespace medcoss::cuda
