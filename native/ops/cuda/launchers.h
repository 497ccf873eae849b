// The operations of the kernel library; their definitions are in one file for each group of
// kernels.
#pragma once

#include "ops/cuda/operations.h"

namespace medcoss::cuda {

class Launchers final : public CudaOperations {
 public:
  // block.cpp
  Normed layer_norm(const at::Tensor& x_NW, const Norm& norm, at::ScalarType type) override;
  ResidualNormed residual_layer_norm(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                                     const BranchScale& scale, const Norm& norm) override;
  at::Tensor residual_add(const at::Tensor& x_NW, const at::Tensor& branch_NW,
                          const BranchScale& scale) override;
  NormGradients layer_norm_backward(const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW,
                                    const at::Tensor& x_NW, const Normed& normed,
                                    const Norm& norm) override;
  std::pair<NormGradients, BranchGradients> residual_layer_norm_backward(
      const at::Tensor& dy_NW, const at::Tensor& dx_residual_NW, const ResidualNormed& after,
      const at::Tensor& branch_NW, const BranchScale& scale, const Norm& norm) override;
  BranchGradients residual_add_backward(const at::Tensor& dx_NW, const at::Tensor& branch_NW,
                                        const BranchScale& scale) override;
  at::Tensor bias_gelu(const at::Tensor& u_NH, const at::Tensor& bias_H) override;
  GeluGradients bias_gelu_backward(const at::Tensor& da_NH, const at::Tensor& u_NH,
                                   const at::Tensor& bias_H, const at::Tensor& kept_a_NH) override;
  at::Tensor column_sums(const at::Tensor& x_NW) override;

  // rows.cpp
  void add_rows(const at::Tensor& x_NW, const at::Tensor& row_M, const at::Tensor& y_MW) override;
  void sum_copies(const at::Tensor& x_NW, const at::Tensor& index_RC,
                  const at::Tensor& sums_RW) override;

  // attention.cpp
  bool takes_attention(const AttentionInput& input) override;
  Attended attention(const AttentionInput& input) override;
  at::Tensor attention_backward(const AttentionInput& input, const Attended& attended,
                                const at::Tensor& dout_QW,
                                const AttentionGradients& gradients) override;

  // optimizer.cpp
  at::Tensor adamw(const std::vector<AdamwTensor>& tensors, const at::Tensor& learning_rate,
                   const at::Tensor& loss, const AdamwOptions& options) override;
  // losses.cpp
  DistanceOnDevice feature_distance(const at::Tensor& student_NW, const at::Tensor& teacher_NW,
                                    const at::Tensor& real_N) override;
  at::Tensor feature_distance_backward(const at::Tensor& upstream, const at::Tensor& student_NW,
                                       const at::Tensor& teacher_NW, const at::Tensor& real_N,
                                       const at::Tensor& elements) override;
  PatchLossOnDevice patch_loss(const at::Tensor& predicted_BRV, const at::Tensor& patches_BLV,
                               const at::Tensor& removed_BR) override;
  at::Tensor word_loss(const at::Tensor& scores_NP, const at::Tensor& bias_V,
                       const at::Tensor& id_N) override;
  void scale_gradient(const at::Tensor& upstream, const at::Tensor& gradient) override;
  // pictures.cpp
  at::Tensor image_patches(const at::Tensor& pixels_BHWC, const at::Tensor& flips_B,
                           const PictureMix& mix) override;
  at::Tensor volume_patches(const at::Tensor& voxels_BDHW, const VolumeScale& scale,
                            const at::Tensor& flips_B, const PictureMix& mix) override;
  at::Tensor crop_resize(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                         const at::Tensor& flips_B, int64_t size) override;
};

}  // namespace medcoss::cuda
