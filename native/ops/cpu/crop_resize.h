// Crop, antialiased bicubic resize, horizontal flip and scaling of images, as one operation.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace medcoss {

/// Cuts each image's box, resizes it to `size` x `size` and divides by 255: float32 [B,size,size,C]
/// in [0,1].
///
/// `pixels_BHWC` uint8; `crops_B4` float32 top, left, height, width in pixels inside the image,
/// edges rounded half to even, undefined: the whole image; `flips_B` uint8, bit 0 mirrors
/// left-right, undefined: none. Equal to the bicubic resize of the cut image in Pillow 13, with its
/// 22-bit fixed-point weights, its rounding to bytes between the two passes and its order of them.
at::Tensor crop_resize(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                       const at::Tensor& flips_B, int64_t size);

/// The same into `out_BSSC`, a contiguous float32 tensor.
void crop_resize_into(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                      const at::Tensor& flips_B, const at::Tensor& out_BSSC);

}  // namespace medcoss
