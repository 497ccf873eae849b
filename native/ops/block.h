// Row-wise operations of a transformer block, forward and backward, on either device.
//
// Invariant: the residual stream, statistics, sums and parameters are float32; T, the type of
// activations inside a block, is float32 or bfloat16. Every tensor is contiguous. Sums over rows
// run in a fixed order, so that results repeat bit by bit on one machine. Shape letters: N rows, W
// width, H hidden width, B samples.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace medcoss {

/// A layer's normalisation of rows: its parameters [W].
struct Norm {
  at::Tensor weight_W, bias_W;
  double epsilon = 1e-5;
};

/// What scales a branch before it joins the residual stream: layer scale `gamma_W` and a factor per
/// sample `scale_B` (drop path). Undefined: 1. N is a multiple of B; rows of a sample are
/// contiguous.
struct BranchScale {
  at::Tensor gamma_W, scale_B;
  /// The rows of the stream that have the branch, int64, each once; undefined: all. On the CPU, and
  /// not in `residual_layer_norm`.
  at::Tensor row_M = {};
};

struct Normed {
  at::Tensor y_NW;  // T
  at::Tensor mean_N, rstd_N;
};

struct ResidualNormed {
  at::Tensor x_NW;
  Normed normed;
};

struct NormGradients {
  at::Tensor dx_NW;
  at::Tensor dweight_W, dbias_W;
};

struct BranchGradients {
  at::Tensor dbranch_NW;  // T
  at::Tensor dgamma_W;    // undefined without gamma
  at::Tensor dbias_W;     // sums of dbranch over the rows, taken before it is rounded to T
};

struct GeluGradients {
  at::Tensor du_NH;  // T
  at::Tensor a_NH;   // T, the activation
  at::Tensor dbias_H;
};

/// y = LN(x) in type `type`.
Normed layer_norm(const at::Tensor& x_NW, const Norm& norm, at::ScalarType type);

/// x' = x + scale gamma branch, y = LN(x') in the branch's type.
ResidualNormed residual_layer_norm(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                   const BranchScale& scale, const Norm& norm);

/// x' = x + scale gamma branch: the end of a stack.
at::Tensor residual_add(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                        const BranchScale& scale);

/// Gradients of `layer_norm`. `dx_residual_NW` (undefined: none) is what reaches x beside it.
NormGradients layer_norm_backward(const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW,
                                  const at::Tensor& x_NW, const Normed& normed, const Norm& norm);

/// Gradients of `residual_layer_norm`; `after` is its result, of which y may be undefined. dx is
/// that of x' and of x alike.
std::pair<NormGradients, BranchGradients> residual_layer_norm_backward(
    const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW, const ResidualNormed& after,
    const at::Tensor& branch_NW, const BranchScale& scale, const Norm& norm);

/// Gradients of the branch in `residual_add`; that of x is `dx_NW` itself. dbranch has the branch's
/// rows.
BranchGradients residual_add_backward(const at::Tensor& dx_NW, const at::Tensor& branch_NW,
                                      const BranchScale& scale);

/// a = gelu(u + bias), the erf form.
at::Tensor bias_gelu(const at::Tensor& u_NH, const at::Tensor& bias_H);
/// `kept_a_NH` is the activation; undefined: it is made again on the way.
GeluGradients bias_gelu_backward(const at::Tensor& da_NH, const at::Tensor& u_NH,
                                 const at::Tensor& bias_H, const at::Tensor& kept_a_NH = {});

/// x[row_M] += y, each row once, of one type.
void add_rows(const at::Tensor& x_NW, const at::Tensor& row_M, const at::Tensor& y_MW);

/// The sum of the rows of x that each row of the index names, int64, below 0 none, to `sums_RW`,
/// float32. On CUDA devices.
void sum_copies(const at::Tensor& x_NW, const at::Tensor& index_RC, const at::Tensor& sums_RW);

/// Sums [W] over rows of T. On the CPU the rows may be parts of wider ones.
at::Tensor column_sums(const at::Tensor& x_NW);

}  // namespace medcoss
