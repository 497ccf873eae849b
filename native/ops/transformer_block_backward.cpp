#include <ATen/ops/cat.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_add.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <tuple>
#include <utility>

#include "ops/linear.h"
#include "ops/transformer_block.h"

namespace medcoss {
namespace {

// Places in HalfGradients.
enum { norm_weight, norm_bias, first_weight, first_bias, second_weight, second_bias, gamma };

// Sums of the rows that were copies of one row, float32.
at::Tensor gathered(const at::Tensor& d_NW, const Expansion& expansion, int64_t rows) {
  const int64_t width = d_NW.size(1);
  if (d_NW.is_cpu()) {
    return at::embedding_dense_backward(d_NW.to(at::kFloat), expansion.row_N, rows, -1, false);
  }
  const int64_t shared = expansion.copy_RB.size(0);
  const int64_t batch = expansion.copy_RB.size(1);
  at::Tensor sums = at::empty({rows, width}, d_NW.options().dtype(at::kFloat));
  const at::Tensor own = sums.narrow(0, 0, rows - shared).view({batch, -1, width});
  own.copy_(d_NW.view({batch, -1, width}).narrow(1, 0, own.size(1)));
  sum_copies(d_NW, expansion.copy_RB, sums.narrow(0, rows - shared, shared));
  return sums;
}

}  // namespace

HalfGradients TransformerHalf::zeros() const {
  const HalfParameters& p = parameters_;
  HalfGradients gradients;
  const std::array<at::Tensor, 7> like = {p.norm.weight_W, p.norm.bias_W,   p.first.weight,
                                          p.first.bias,    p.second.weight, p.second.bias,
                                          p.gamma_W};
  for (size_t i = 0; i < like.size(); ++i) {
    if (like[i].defined()) gradients[i] = at::zeros_like(like[i]);
  }
  return gradients;
}

// What the half's norm made.
at::Tensor TransformerHalf::entered(const SavedHalf& saved) const {
  const Normed& normed = saved.normed.normed;
  if (normed.y_NW.defined()) return normed.y_NW;
  return layer_norm(saved.normed.x_NW, parameters_.norm, type_).y_NW;
}

// The gradients of the half's branch: made by the norm behind it, or here.
BranchGradients TransformerHalf::branch_backward(const SavedHalf& saved,
                                                 BackwardStream& stream) const {
  if (stream.branch.dbranch_NW.defined()) return std::exchange(stream.branch, {});
  const Addition& addition = saved.addition;
  if (addition.branch_MW.defined()) {
    return residual_add_backward(stream.dx_NW, addition.branch_MW, addition.scale);
  }
  const at::Tensor dbranch = stream.dx_NW.to(type_);
  if (!addition.scale.scale_B.defined()) return {dbranch, {}, column_sums(stream.dx_NW)};
  // Without layer scale the branch's values have no part in its gradient.
  return residual_add_backward(stream.dx_NW, dbranch, addition.scale);
}

void TransformerHalf::enter_backward(const SavedHalf& saved, const at::Tensor& dy_MW,
                                     BackwardStream& stream, HalfGradients& gradients) const {
  NormGradients normed;
  if (saved.joined) {
    const at::Tensor& branch = saved.joined->branch_MW;
    std::tie(normed, stream.branch) = residual_layer_norm_backward(
        dy_MW, stream.dx_NW, saved.normed, branch.defined() ? branch : dy_MW, saved.joined->scale,
        parameters_.norm);
    stream.dx_NW = normed.dx_NW;
  } else if (plan_.row_M.defined()) {
    normed =
        layer_norm_backward(dy_MW, {}, saved.normed.x_NW, saved.normed.normed, parameters_.norm);
    add_rows(stream.dx_NW, plan_.row_M, normed.dx_NW);
  } else {
    normed = layer_norm_backward(dy_MW, stream.dx_NW, saved.normed.x_NW, saved.normed.normed,
                                 parameters_.norm);
    stream.dx_NW = normed.dx_NW;
  }
  gradients[norm_weight] = normed.dweight_W;
  gradients[norm_bias] = normed.dbias_W;
}

// Takes the gradient of the branch back through the projection that made it from `in`.
void TransformerHalf::second_backward(const BranchGradients& branch, const at::Tensor& in,
                                      HalfGradients& gradients) const {
  gradients[second_weight] = weight_gradient(branch.dbranch_NW, in);
  gradients[second_bias] = branch.dbias_W;
  gradients[gamma] = branch.dgamma_W;
}

at::Tensor TransformerHalf::projections_backward(const SavedHalf& saved, const at::Tensor& y_MW,
                                                 const at::Tensor& dq, const at::Tensor& dprojected,
                                                 HalfGradients& gradients) const {
  const at::Tensor weight = of(parameters_.first.weight);
  if (!saved.q_QW.defined()) {
    gradients[first_weight] = weight_gradient(dprojected, y_MW);
    return linear(dprojected, weight.t());
  }
  const int64_t width = y_MW.size(1);
  gradients[first_weight] = at::cat({weight_gradient(dq, y_MW.index_select(0, plan_.query_Q)),
                                     weight_gradient(dprojected, y_MW)});
  at::Tensor dy = linear(dprojected, weight.slice(0, width).t());
  add_rows(dy, plan_.query_Q, linear(dq, weight.slice(0, 0, width).t()));
  return dy;
}

// The gradient of the rows that came in, from that of the rows that went on.
void TransformerHalf::keep_rows_backward(BackwardStream& stream) const {
  if (!plan_.keep.defined()) return;
  const at::Tensor kept = stream.dx_NW;
  stream.dx_NW = at::zeros({plan_.rows, kept.size(1)}, kept.options());
  // Those of padded labels are one row, again and again.
  if (plan_.repeats_kept)
    stream.dx_NW.index_add_(0, plan_.keep, kept);
  else
    add_rows(stream.dx_NW, plan_.keep, kept);
}

HalfGradients TransformerHalf::attention_backward(const SavedHalf& saved, int64_t heads,
                                                  BackwardStream& stream) const {
  if (plan_.skipped) {
    keep_rows_backward(stream);
    return zeros();
  }
  HalfGradients gradients;
  const BranchGradients branch = branch_backward(saved, stream);
  at::Tensor out = saved.attended.out_QW;
  if (selects_outputs()) out = out.index_select(0, plan_.keep);
  second_backward(branch, out, gradients);
  at::Tensor dout = linear(branch.dbranch_NW, of(parameters_.second.weight).t());
  if (selects_outputs()) {
    dout = at::zeros_like(saved.attended.out_QW).index_add_(0, plan_.keep, dout);
  }
  const at::Tensor dq = saved.q_QW.defined() ? at::empty_like(saved.q_QW) : at::Tensor();
  at::Tensor dprojected = at::empty_like(saved.projected);
  const AttentionInput to = packed(dq, dprojected, heads);
  gradients[first_bias] =
      medcoss::attention_backward(packed(saved.q_QW, saved.projected, heads), saved.attended, dout,
                                  {to.q_QW, to.k_KW, to.v_KW});
  keep_rows_backward(stream);
  if (plan_.expansion) {
    const int64_t rows = saved.normed.x_NW.size(0);
    dprojected = gathered(dprojected, *plan_.expansion, rows).to(type_);
    stream.dx_NW = gathered(stream.dx_NW, *plan_.expansion, rows);
  }
  enter_backward(saved, projections_backward(saved, entered(saved), dq, dprojected, gradients),
                 stream, gradients);
  return gradients;
}

HalfGradients TransformerHalf::feed_forward_backward(const SavedHalf& saved,
                                                     BackwardStream& stream) const {
  if (plan_.skipped) return zeros();
  HalfGradients gradients;
  const BranchGradients branch = branch_backward(saved, stream);
  const at::Tensor da = linear(branch.dbranch_NW, of(parameters_.second.weight).t());
  const GeluGradients gelu =
      bias_gelu_backward(da, saved.projected, parameters_.first.bias, saved.activated_MH);
  second_backward(branch, gelu.a_NH, gradients);
  gradients[first_weight] = weight_gradient(gelu.du_NH, entered(saved));
  gradients[first_bias] = gelu.dbias_H;
  enter_backward(saved, linear(gelu.du_NH, of(parameters_.first.weight).t()), stream, gradients);
  return gradients;
}

}  // namespace medcoss
