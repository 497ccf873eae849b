#include "ops/transformer_block.h"

#include <ATen/ops/index_select.h>

#include "ops/linear.h"

namespace medcoss {
namespace {

bool keeps_cheap(const at::Tensor& x) {
  return x.is_cuda();
}

}  // namespace

void Stream::settle() {
  if (!waiting) return;
  x_NW = residual_add(x_NW, waiting->branch_MW, waiting->scale);
  waiting.reset();
}

// A weight or bias as products take it.
at::Tensor TransformerHalf::of(const at::Tensor& weight) const {
  return takes_masters(weight.device(), type_) ? weight : shadows_.of(weight, type_);
}

// The norm of the rows that have the branch, in one pass with an addition that waits where both are
// for all rows.
at::Tensor TransformerHalf::enter(Stream& stream, SavedHalf* saved) const {
  const bool all = !plan_.row_M.defined();
  ResidualNormed out;
  std::optional<Addition> joined;
  if (all && stream.waiting && !stream.waiting->scale.row_M.defined()) {
    const Addition& waiting = *stream.waiting;
    out = residual_layer_norm(stream.x_NW, waiting.branch_MW, waiting.scale, parameters_.norm);
    stream.x_NW = out.x_NW;
    joined.swap(stream.waiting);
  } else {
    stream.settle();
    out.x_NW = all ? stream.x_NW : stream.x_NW.index_select(0, plan_.row_M);
    out.normed = layer_norm(out.x_NW, parameters_.norm, type_);
  }
  const at::Tensor y = out.normed.y_NW;
  if (saved != nullptr) {
    if (!keeps_cheap(y)) out.normed.y_NW.reset();
    if (joined && !joined->scale.gamma_W.defined()) joined->branch_MW.reset();
    saved->joined = std::move(joined);
    saved->normed = std::move(out);
  }
  return y;
}

void TransformerHalf::leave(Stream& stream, const at::Tensor& branch, const at::Tensor& row_M,
                            SavedHalf* saved) const {
  Addition addition{branch, {parameters_.gamma_W, plan_.scale_B, row_M}};
  if (saved != nullptr) {
    saved->addition = addition;
    if (!parameters_.gamma_W.defined()) saved->addition.branch_MW.reset();
  }
  stream.waiting = std::move(addition);
}

void TransformerHalf::keep_rows(Stream& stream) const {
  if (!plan_.keep.defined()) return;
  stream.settle();
  stream.x_NW = stream.x_NW.index_select(0, plan_.keep);
}

AttentionInput TransformerHalf::packed(const at::Tensor& q, const at::Tensor& projected,
                                       int64_t heads) const {
  const int64_t width = parameters_.norm.weight_W.size(0);
  const bool own = q.defined();
  const auto part = [&](int64_t i) { return projected.narrow(1, i * width, width); };
  return {own ? q : part(0), part(own ? 0 : 1),
          part(own ? 1 : 2), own ? plan_.queries : plan_.sequences,
          plan_.sequences,   heads,
          plan_.causal};
}

AttentionInput TransformerHalf::projections(const at::Tensor& y_MW, int64_t heads,
                                            SavedHalf* saved) const {
  const at::Tensor weight = of(parameters_.first.weight);
  const at::Tensor bias = of(parameters_.first.bias);
  at::Tensor q;
  at::Tensor projected;
  if (plan_.query_Q.defined()) {
    const int64_t width = y_MW.size(1);
    q = linear(y_MW.index_select(0, plan_.query_Q), weight.slice(0, 0, width),
               bias.slice(0, 0, width));
    projected = linear(y_MW, weight.slice(0, width), bias.slice(0, width));
  } else {
    projected = linear(y_MW, weight, bias);
    if (plan_.expansion) projected = projected.index_select(0, plan_.expansion->row_N);
  }
  if (saved != nullptr) {
    saved->q_QW = q;
    saved->projected = projected;
  }
  return packed(q, projected, heads);
}

void TransformerHalf::attention(Stream& stream, int64_t heads, SavedHalf* saved) const {
  if (plan_.skipped) return keep_rows(stream);
  const at::Tensor y = enter(stream, saved);
  const Attended attended = medcoss::attention(projections(y, heads, saved));
  if (saved != nullptr) saved->attended = attended;
  if (plan_.expansion) stream.x_NW = stream.x_NW.index_select(0, plan_.expansion->row_N);
  keep_rows(stream);
  at::Tensor out = attended.out_QW;
  if (selects_outputs()) out = out.index_select(0, plan_.keep);
  const at::Tensor branch = linear(out, of(parameters_.second.weight), of(parameters_.second.bias));
  leave(stream, branch, plan_.keep.defined() ? plan_.target_Q : plan_.row_M, saved);
}

void TransformerHalf::feed_forward(Stream& stream, SavedHalf* saved) const {
  if (plan_.skipped) return;
  const at::Tensor y = enter(stream, saved);
  // The first bias is added where the activation is computed.
  const at::Tensor u = linear(y, of(parameters_.first.weight));
  const at::Tensor a = bias_gelu(u, parameters_.first.bias);
  if (saved != nullptr) {
    saved->projected = u;
    if (keeps_cheap(a)) saved->activated_MH = a;
  }
  leave(stream, linear(a, of(parameters_.second.weight), of(parameters_.second.bias)), plan_.row_M,
        saved);
}

}  // namespace medcoss
