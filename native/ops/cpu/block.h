// The operations of ops/block.h on the CPU.
#pragma once

#include "ops/block.h"

namespace medcoss::cpu {

Normed layer_norm(const at::Tensor& x_NW, const Norm& norm, at::ScalarType type);
ResidualNormed residual_layer_norm(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                   const BranchScale& scale, const Norm& norm);
at::Tensor residual_add(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                        const BranchScale& scale);
NormGradients layer_norm_backward(const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW,
                                  const at::Tensor& x_NW, const Normed& normed, const Norm& norm);
std::pair<NormGradients, BranchGradients> residual_layer_norm_backward(
    const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW, const ResidualNormed& after,
    const at::Tensor& branch_NW, const BranchScale& scale, const Norm& norm);
BranchGradients residual_add_backward(const at::Tensor& dx_NW, const at::Tensor& branch_NW,
                                      const BranchScale& scale);
at::Tensor bias_gelu(const at::Tensor& u_NH, const at::Tensor& bias_H);
GeluGradients bias_gelu_backward(const at::Tensor& da_NH, const at::Tensor& u_NH,
                                 const at::Tensor& bias_H);
void add_rows(const at::Tensor& x_NW, const at::Tensor& row_M, const at::Tensor& y_MW);
at::Tensor column_sums(const at::Tensor& x_NW);

}  // namespace medcoss::cpu
