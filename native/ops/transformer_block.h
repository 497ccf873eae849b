// The two halves of a pre-norm transformer block, attention and feed-forward, forward and backward,
// on either device.
//
// A half leaves its branch waiting, so that it joins the residual stream in one pass with the norm
// behind it. Invariant: the stream is float32, branches have the type of products; backward reads
// `SavedHalf` and nothing else. Shape letters: N rows of the stream, M rows that have the branch,
// Q rows that ask, W width, P = 3 W projections, H hidden width.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>

#include "ops/attention.h"
#include "ops/block.h"
#include "ops/shadows.h"

namespace medcoss {

struct Affine {
  at::Tensor weight, bias;
};

/// Parameters of a half. `first` projects to P or to H, `second` back to W. `gamma_W` is undefined
/// without layer scale.
struct HalfParameters {
  Norm norm;
  Affine first, second;
  at::Tensor gamma_W;
};

/// Gradients of norm weight and bias, first weight and bias, second weight and bias, gamma
/// (undefined without), all float32.
using HalfGradients = std::array<at::Tensor, 7>;

/// A stream of B sequences whose rows are those of a shorter one, which has the first rows of each
/// sequence, as many of each, and behind them R rows that sequences share.
struct Expansion {
  /// The row of the shorter stream for each row of the stream, int64.
  at::Tensor row_N;
  /// Where each sequence has a copy of each shared row, int64, below 0 nowhere. On CUDA devices.
  at::Tensor copy_RB;
};

/// Which rows a half computes.
struct HalfPlan {
  /// No sample has the branch.
  bool skipped = false;
  /// Rows that have it, int64; undefined: all.
  at::Tensor row_M;
  /// Drop path: a factor of all samples, of each, or of each row; undefined: 1.
  at::Tensor scale_B;

  // Attention alone. Its M rows by sequence.
  Sequences sequences;
  /// A row sees none behind it.
  bool causal = false;
  /// The stream takes rows of the one that comes in; what is computed per row before attention is
  /// computed once per row that comes in.
  std::optional<Expansion> expansion;
  /// Rows that go on after attention, int64; undefined: all of `rows`.
  at::Tensor keep;
  /// A row may go on more than once.
  bool repeats_kept = false;
  int64_t rows = 0;
  /// Which of the M rows ask where others need not, int64, by sequence; and their places among
  /// those that go on (undefined: all of these). Undefined: all ask, and where some are kept, their
  /// outputs are taken.
  at::Tensor query_Q, target_Q;
  Sequences queries;
};

/// A branch and how it joins the stream.
struct Addition {
  at::Tensor branch_MW;
  BranchScale scale;
};

/// The residual stream, and the branch that has yet to join it.
struct Stream {
  at::Tensor x_NW;
  std::optional<Addition> waiting;

  void settle();
};

/// What a CPU makes again faster than its memory gives it back, a GPU keeps: the norm's result and
/// the activation.
struct SavedHalf {
  ResidualNormed normed;
  /// The earlier branch that joined in the pass of this half's norm.
  std::optional<Addition> joined;
  at::Tensor projected;  // attention: [M,P], or [M,2 W] beside q; feed-forward: [M,H]
  at::Tensor activated_MH;
  at::Tensor q_QW;
  Attended attended;
  Addition addition;  // the branch itself is kept for layer scale alone
};

/// The gradient of the stream, on its way back, and those of the branch that the norm behind it has
/// made on the way (undefined where it has not).
struct BackwardStream {
  at::Tensor dx_NW;
  BranchGradients branch;
};

class TransformerHalf {
 public:
  TransformerHalf(const HalfParameters& parameters, const HalfPlan& plan, at::ScalarType type,
                  Shadows& shadows)
      : parameters_(parameters), plan_(plan), type_(type), shadows_(shadows) {}

  /// Takes the stream through; `saved` may be null.
  void attention(Stream& stream, int64_t heads, SavedHalf* saved) const;
  void feed_forward(Stream& stream, SavedHalf* saved) const;
  HalfGradients attention_backward(const SavedHalf& saved, int64_t heads,
                                   BackwardStream& stream) const;
  HalfGradients feed_forward_backward(const SavedHalf& saved, BackwardStream& stream) const;

 private:
  at::Tensor enter(Stream& stream, SavedHalf* saved) const;
  void leave(Stream& stream, const at::Tensor& branch, const at::Tensor& row_M,
             SavedHalf* saved) const;
  void keep_rows(Stream& stream) const;
  bool selects_outputs() const { return plan_.keep.defined() && !plan_.query_Q.defined(); }
  AttentionInput projections(const at::Tensor& y_MW, int64_t heads, SavedHalf* saved) const;
  AttentionInput packed(const at::Tensor& q, const at::Tensor& projected, int64_t heads) const;

  at::Tensor entered(const SavedHalf& saved) const;
  BranchGradients branch_backward(const SavedHalf& saved, BackwardStream& stream) const;
  void second_backward(const BranchGradients& branch, const at::Tensor& in,
                       HalfGradients& gradients) const;
  at::Tensor projections_backward(const SavedHalf& saved, const at::Tensor& y_MW,
                                  const at::Tensor& dq, const at::Tensor& dprojected,
                                  HalfGradients& gradients) const;
  void keep_rows_backward(BackwardStream& stream) const;
  void enter_backward(const SavedHalf& saved, const at::Tensor& dy_MW, BackwardStream& stream,
                      HalfGradients& gradients) const;
  HalfGradients zeros() const;
  at::Tensor of(const at::Tensor& weight) const;

  const HalfParameters& parameters_;
  const HalfPlan& plan_;
  at::ScalarType type_;
  Shadows& shadows_;
};

}  // namespace medcoss
