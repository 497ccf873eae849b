// Images and volumes as rows of patches, the pixel's channel fastest inside a patch, and back.
//
// Shape letters: B batch, L patches, V values of a patch (edge^2 x 3 or edge^3), C channels.
#pragma once

#include <ATen/core/Tensor.h>

namespace medcoss {

/// [B,H,W,3] to [B,L,768]; grey images [B,H,W,1] are copied to three channels.
at::Tensor image_patches(const at::Tensor& image_BHWC);
/// [B,D,H,W] to [B,L,4096].
at::Tensor volume_patches(const at::Tensor& volume_BDHW);

/// Exact inverses.
at::Tensor image_of_patches(const at::Tensor& patches_BLV, int64_t size);
at::Tensor volume_of_patches(const at::Tensor& patches_BLV, at::IntArrayRef size);

}  // namespace medcoss
