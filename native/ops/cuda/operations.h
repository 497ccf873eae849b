// The fused operations that the kernel library offers, on tensors of a CUDA device.
//
// Invariant: no CUDA header here. Work goes to the device's current stream; nothing waits for it,
// and nothing depends on values, so that all of it can be captured in a graph. Sums run in a fixed
// order.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "ops/block.h"

namespace medcoss {

/// A parameter in a step of AdamW, all of it contiguous and on one device: float32, but for
/// gradients, which may be bfloat16, and shadows.
struct AdamwTensor {
  at::Tensor value;
  at::Tensor gradient;  // undefined: zeros
  at::Tensor average, square;
  at::Tensor steps;   // [], its own count
  at::Tensor shadow;  // bfloat16, gets the new value; undefined: none
  bool decays = false;
};

struct AdamwOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.05;
  /// Longer gradients are scaled down to it; 0: none are.
  double max_norm = 0;
};

/// Methods throw E_CUDA where a launch fails.
class CudaOperations {
 public:
  virtual ~CudaOperations() = default;

  /// Those of ops/block.h.
  virtual Normed layer_norm(const at::Tensor& x_NW, const Norm& norm, at::ScalarType type) = 0;
  virtual ResidualNormed residual_layer_norm(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                             const BranchScale& scale, const Norm& norm) = 0;
  virtual at::Tensor residual_add(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                  const BranchScale& scale) = 0;
  virtual NormGradients layer_norm_backward(const at::Tensor& dy_NW,
                                            const at::Tensor& dx_residual_NW,
                                            const at::Tensor& x_NW, const Normed& normed,
                                            const Norm& norm) = 0;
  virtual std::pair<NormGradients, BranchGradients> residual_layer_norm_backward(
      const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW, const ResidualNormed& after,
      const at::Tensor& branch_NW, const BranchScale& scale, const Norm& norm) = 0;
  virtual BranchGradients residual_add_backward(const at::Tensor& dx_NW,
                                                const at::Tensor& branch_NW,
                                                const BranchScale& scale) = 0;
  virtual at::Tensor bias_gelu(const at::Tensor& u_NH, const at::Tensor& bias_H) = 0;
  virtual GeluGradients bias_gelu_backward(const at::Tensor& da_NH, const at::Tensor& u_NH,
                                           const at::Tensor& bias_H) = 0;
  virtual at::Tensor column_sums(const at::Tensor& x_NW) = 0;

  /// One step of AdamW over all tensors, and the norm of their gradients. Where `loss` (float32 [])
  /// or the norm is not finite, nothing changes. `learning_rate` is float32 []. Returns float64 [2]
  /// on the device: the norm, and 1 where nothing was changed.
  virtual at::Tensor adamw(const std::vector<AdamwTensor>& tensors, const at::Tensor& learning_rate,
                           const at::Tensor& loss, const AdamwOptions& options) = 0;
};

}  // namespace medcoss
