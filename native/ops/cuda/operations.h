// The fused operations that the kernel library offers, on tensors of a CUDA device.
//
// Invariant: no CUDA header here. Work goes to the device's current stream; nothing waits for it,
// and nothing depends on values, so that all of it can be captured in a graph. Sums run in a fixed
// order.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "ops/attention.h"
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

/// A mean squared difference and what its gradient needs.
struct DistanceOnDevice {
  at::Tensor loss;      // float32 []
  at::Tensor elements;  // float64 [], how many values count
};

struct PatchLossOnDevice {
  at::Tensor loss;          // float32 []
  at::Tensor gradient_BRV;  // of the prediction, where the loss's own is 1
};

/// Partner of each sample, int64 [B], and its own weight, float32 [B]. Undefined: nothing is mixed.
struct PictureMix {
  at::Tensor partner_B, weight_B;
};

/// What makes intensities of voxels: factor x + offset.
struct VolumeScale {
  double factor = 1;
  double offset = 0;
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
                                           const at::Tensor& bias_H,
                                           const at::Tensor& kept_a_NH) = 0;
  virtual at::Tensor column_sums(const at::Tensor& x_NW) = 0;
  virtual void add_rows(const at::Tensor& x_NW, const at::Tensor& row_M,
                        const at::Tensor& y_MW) = 0;
  virtual void sum_copies(const at::Tensor& x_NW, const at::Tensor& index_RC,
                          const at::Tensor& sums_RW) = 0;

  /// Those of ops/attention.h, for bfloat16 heads of 32 or 64 columns in sequences of up to 256
  /// rows whose rows begin at multiples of 16 bytes, gradients too. Whether a device has the shared
  /// memory for them is part of `takes_attention`. Uneven lengths are on the device.
  virtual bool takes_attention(const AttentionInput& input) = 0;
  virtual Attended attention(const AttentionInput& input) = 0;
  virtual at::Tensor attention_backward(const AttentionInput& input, const Attended& attended,
                                        const at::Tensor& dout_QW,
                                        const AttentionGradients& gradients) = 0;

  /// One step of AdamW over all tensors, and the norm of their gradients. Where `loss` (float32 [])
  /// or the norm is not finite, nothing changes. `learning_rate` is float32 []. Returns float64 [2]
  /// on the device: the norm, and 1 where nothing was changed.
  virtual at::Tensor adamw(const std::vector<AdamwTensor>& tensors, const at::Tensor& learning_rate,
                           const at::Tensor& loss, const AdamwOptions& options) = 0;

  /// Feature distillation; see ops/autograd/feature_distance.h. `real_N`: bool, undefined: all
  /// rows.
  virtual DistanceOnDevice feature_distance(const at::Tensor& student_NW,
                                            const at::Tensor& teacher_NW,
                                            const at::Tensor& real_N) = 0;
  virtual at::Tensor feature_distance_backward(const at::Tensor& upstream,
                                               const at::Tensor& student_NW,
                                               const at::Tensor& teacher_NW,
                                               const at::Tensor& real_N,
                                               const at::Tensor& elements) = 0;
  /// See ops/autograd/patch_loss.h.
  virtual PatchLossOnDevice patch_loss(const at::Tensor& predicted_BRV,
                                       const at::Tensor& patches_BLV,
                                       const at::Tensor& removed_BR) = 0;
  /// See ops/autograd/word_loss.h. `scores_NP`: products without bias, [N,V] and whatever is
  /// behind; becomes their gradient, where the loss's own is 1, and zeros.
  virtual at::Tensor word_loss(const at::Tensor& scores_NP, const at::Tensor& bias_V,
                               const at::Tensor& id_N) = 0;
  /// gradient *= upstream, float32 []; where that is 1, memory is left alone.
  virtual void scale_gradient(const at::Tensor& upstream, const at::Tensor& gradient) = 0;

  /// Images (uint8, divided by 255, or float32; one channel becomes three) and volumes (int16 or
  /// float32) as rows of patches, float32, mirrored as the samples' flips say (undefined: none) and
  /// mixed. Edges are multiples of 16.
  virtual at::Tensor image_patches(const at::Tensor& pixels_BHWC, const at::Tensor& flips_B,
                                   const PictureMix& mix) = 0;
  virtual at::Tensor volume_patches(const at::Tensor& voxels_BDHW, const VolumeScale& scale,
                                    const at::Tensor& flips_B, const PictureMix& mix) = 0;
  /// The bytes that ops/cpu/crop_resize.h divides by 255: uint8 [B,size,size,C].
  virtual at::Tensor crop_resize(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                                 const at::Tensor& flips_B, int64_t size) = 0;
};

}  // namespace medcoss
