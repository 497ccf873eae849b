#include "ops/cpu/block_norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

#include "ops/cpu/block.h"
#include "ops/cpu/block_sums.h"

namespace medcoss::cpu {
namespace {

// Gamma as a tensor that exists.
at::Tensor gamma_of(const BranchScale& scale, int64_t width) {
  return scale.gamma_W.defined() ? scale.gamma_W : at::ones({width}, at::kFloat);
}

const int64_t* places_of(const at::Tensor& row_M) {
  return row_M.defined() ? row_M.const_data_ptr<int64_t>() : nullptr;
}

template <typename T>
BranchRows<T> branch_rows(const at::Tensor& branch_NW, const at::Tensor& gamma_W,
                          const BranchScale& scale) {
  const int64_t samples = scale.scale_B.defined() ? scale.scale_B.size(0) : 1;
  return {values<T>(branch_NW), floats(gamma_W), floats(scale.scale_B),
          std::max<int64_t>(1, branch_NW.size(0) / samples), places_of(scale.row_M)};
}

Normed empty_normed(const at::Tensor& x_NW, at::ScalarType type) {
  const auto statistics = [&] { return at::empty({x_NW.size(0)}, at::kFloat); };
  return {at::empty(x_NW.sizes(), type), statistics(), statistics()};
}

template <typename T>
NormRows<T> norm_rows(const at::Tensor& x_NW, const Norm& norm, const Normed& out) {
  return {x_NW.size(1),
          floats(x_NW),
          floats(norm.weight_W),
          floats(norm.bias_W),
          static_cast<float>(norm.epsilon),
          mutable_values<T>(out.y_NW),
          mutable_floats(out.mean_N),
          mutable_floats(out.rstd_N)};
}

// Gradients of a norm while their sums still stand in blocks.
struct NormBlocks {
  at::Tensor dx_NW, dweight, dbias;

  explicit NormBlocks(const at::Tensor& x_NW)
      : dx_NW(at::empty_like(x_NW)),
        dweight(block_sums(sum_blocks(x_NW.size(0)), x_NW.size(1))),
        dbias(at::zeros_like(dweight)) {}

  template <typename T>
  NormBackwardBlocks<T> kernel(const at::Tensor& dy_NW, const at::Tensor& residual_NW,
                               const at::Tensor& x_NW, const Normed& normed,
                               const Norm& norm) const {
    return {x_NW.size(1),          x_NW.size(0),
            values<T>(dy_NW),      floats(residual_NW),
            floats(x_NW),          floats(normed.mean_N),
            floats(normed.rstd_N), floats(norm.weight_W),
            mutable_floats(dx_NW), {mutable_floats(dweight), mutable_floats(dbias)}};
  }

  NormGradients added() const { return {dx_NW, added_blocks(dweight), added_blocks(dbias)}; }
};

struct BranchBlocks {
  at::Tensor dbranch_NW, dbias, dgamma, gamma_W;
  const BranchScale& scale;

  BranchBlocks(const at::Tensor& branch_NW, const BranchScale& branch_scale)
      : dbranch_NW(at::empty_like(branch_NW)),
        dbias(block_sums(sum_blocks(branch_NW.size(0)), branch_NW.size(1))),
        dgamma(branch_scale.gamma_W.defined() ? at::zeros_like(dbias) : at::Tensor()),
        gamma_W(gamma_of(branch_scale, branch_NW.size(1))),
        scale(branch_scale) {}

  template <typename T>
  BranchBackwardBlocks<T> kernel(const at::Tensor& dx_NW, const at::Tensor& branch_NW) const {
    return {branch_NW.size(1),
            branch_NW.size(0),
            floats(dx_NW),
            branch_rows<T>(branch_NW, gamma_W, scale),
            mutable_values<T>(dbranch_NW),
            {mutable_floats(dbias), dgamma.defined() ? mutable_floats(dgamma) : nullptr}};
  }

  BranchGradients added() const {
    return {dbranch_NW, dgamma.defined() ? added_blocks(dgamma) : at::Tensor(),
            added_blocks(dbias)};
  }
};

}  // namespace

Normed layer_norm(const at::Tensor& x_NW, const Norm& norm, at::ScalarType type) {
  Normed out = empty_normed(x_NW, type);
  for_type(type, [&](auto zero) {
    run_rows(norm_rows<decltype(zero)>(x_NW, norm, out), x_NW.size(0), x_NW.size(1));
  });
  return out;
}

ResidualNormed residual_layer_norm(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                   const BranchScale& scale, const Norm& norm) {
  const int64_t width = x_NW.size(1);
  ResidualNormed out{at::empty_like(x_NW), empty_normed(x_NW, branch_NW.scalar_type())};
  const at::Tensor gamma_W = gamma_of(scale, width);
  for_type(branch_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const ResidualRows<T> residual{width, floats(x_NW), branch_rows<T>(branch_NW, gamma_W, scale),
                                   mutable_floats(out.x_NW)};
    run_rows(ResidualNormRows<T>{residual, norm_rows<T>(out.x_NW, norm, out.normed)}, x_NW.size(0),
             width);
  });
  return out;
}

at::Tensor residual_add(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                        const BranchScale& scale) {
  const int64_t width = x_NW.size(1);
  at::Tensor x_new = scale.row_M.defined() ? x_NW.clone() : at::empty_like(x_NW);
  const float* from = scale.row_M.defined() ? floats(x_new) : floats(x_NW);
  const at::Tensor gamma_W = gamma_of(scale, width);
  for_type(branch_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    run_rows(ResidualRows<T>{width, from, branch_rows<T>(branch_NW, gamma_W, scale),
                             mutable_floats(x_new)},
             branch_NW.size(0), width);
  });
  return x_new;
}

void add_rows(const at::Tensor& x_NW, const at::Tensor& row_M, const at::Tensor& y_MW) {
  for_type(y_MW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    run_rows(AddedRows<T>{x_NW.size(1), places_of(row_M), values<T>(y_MW), mutable_values<T>(x_NW)},
             y_MW.size(0), x_NW.size(1));
  });
}

NormGradients layer_norm_backward(const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW,
                                  const at::Tensor& x_NW, const Normed& normed, const Norm& norm) {
  const NormBlocks blocks(x_NW);
  for_type(dy_NW.scalar_type(), [&](auto zero) {
    run_rows(blocks.kernel<decltype(zero)>(dy_NW, dx_residual_NW, x_NW, normed, norm),
             sum_blocks(x_NW.size(0)), sum_rows * x_NW.size(1));
  });
  return blocks.added();
}

std::pair<NormGradients, BranchGradients> residual_layer_norm_backward(
    const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW, const ResidualNormed& after,
    const at::Tensor& branch_NW, const BranchScale& scale, const Norm& norm) {
  const NormBlocks normed(after.x_NW);
  const BranchBlocks branch(branch_NW, scale);
  for_type(dy_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const ResidualNormBackwardBlocks<T> kernel{
        normed.kernel<T>(dy_NW, dx_residual_NW, after.x_NW, after.normed, norm),
        branch.kernel<T>(normed.dx_NW, branch_NW)};
    run_rows(kernel, sum_blocks(branch_NW.size(0)), sum_rows * branch_NW.size(1));
  });
  return {normed.added(), branch.added()};
}

BranchGradients residual_add_backward(const at::Tensor& dx_NW, const at::Tensor& branch_NW,
                                      const BranchScale& scale) {
  const BranchBlocks branch(branch_NW, scale);
  for_type(branch_NW.scalar_type(), [&](auto zero) {
    run_rows(branch.kernel<decltype(zero)>(dx_NW, branch_NW), sum_blocks(branch_NW.size(0)),
             sum_rows * branch_NW.size(1));
  });
  return branch.added();
}

}  // namespace medcoss::cpu
