#include "ops/block.h"

#include <utility>

#include "ops/cpu/block.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"

namespace medcoss {
namespace {

CudaOperations& gpu() {
  return cuda_library().operations();
}

}  // namespace

Normed layer_norm(const at::Tensor& x_NW, const Norm& norm, at::ScalarType type) {
  if (x_NW.is_cuda()) return gpu().layer_norm(x_NW, norm, type);
  return cpu::layer_norm(x_NW, norm, type);
}

ResidualNormed residual_layer_norm(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                   const BranchScale& scale, const Norm& norm) {
  if (x_NW.is_cuda()) return gpu().residual_layer_norm(x_NW, branch_NW, scale, norm);
  return cpu::residual_layer_norm(x_NW, branch_NW, scale, norm);
}

at::Tensor residual_add(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                        const BranchScale& scale) {
  if (x_NW.is_cuda()) return gpu().residual_add(x_NW, branch_NW, scale);
  return cpu::residual_add(x_NW, branch_NW, scale);
}

NormGradients layer_norm_backward(const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW,
                                  const at::Tensor& x_NW, const Normed& normed, const Norm& norm) {
  if (dy_NW.is_cuda()) return gpu().layer_norm_backward(dy_NW, dx_residual_NW, x_NW, normed, norm);
  return cpu::layer_norm_backward(dy_NW, dx_residual_NW, x_NW, normed, norm);
}

std::pair<NormGradients, BranchGradients> residual_layer_norm_backward(
    const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW, const ResidualNormed& after,
    const at::Tensor& branch_NW, const BranchScale& scale, const Norm& norm) {
  if (dy_NW.is_cuda())
    return gpu().residual_layer_norm_backward(dy_NW, dx_residual_NW, after, branch_NW, scale, norm);
  return cpu::residual_layer_norm_backward(dy_NW, dx_residual_NW, after, branch_NW, scale, norm);
}

BranchGradients residual_add_backward(const at::Tensor& dx_NW, const at::Tensor& branch_NW,
                                      const BranchScale& scale) {
  if (dx_NW.is_cuda()) return gpu().residual_add_backward(dx_NW, branch_NW, scale);
  return cpu::residual_add_backward(dx_NW, branch_NW, scale);
}

at::Tensor bias_gelu(const at::Tensor& u_NH, const at::Tensor& bias_H) {
  if (u_NH.is_cuda()) return gpu().bias_gelu(u_NH, bias_H);
  return cpu::bias_gelu(u_NH, bias_H);
}

GeluGradients bias_gelu_backward(const at::Tensor& da_NH, const at::Tensor& u_NH,
                                 const at::Tensor& bias_H, const at::Tensor& kept_a_NH) {
  if (da_NH.is_cuda()) return gpu().bias_gelu_backward(da_NH, u_NH, bias_H, kept_a_NH);
  return cpu::bias_gelu_backward(da_NH, u_NH, bias_H);
}

void add_rows(const at::Tensor& x_NW, const at::Tensor& row_M, const at::Tensor& y_MW) {
  if (x_NW.is_cuda()) return gpu().add_rows(x_NW, row_M, y_MW);
  cpu::add_rows(x_NW, row_M, y_MW);
}

void sum_copies(const at::Tensor& x_NW, const at::Tensor& index_RC, const at::Tensor& sums_RW) {
  gpu().sum_copies(x_NW, index_RC, sums_RW);
}

at::Tensor column_sums(const at::Tensor& x_NW) {
  if (x_NW.is_cuda()) return gpu().column_sums(x_NW);
  return cpu::column_sums(x_NW);
}

}  // namespace medcoss
