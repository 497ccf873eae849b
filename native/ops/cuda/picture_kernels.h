// From records to patches, as pointers and sizes: cutting, resizing, mirroring, scaling, mixing.
//
// Shape letters: B batch, H W D height, width, depth, C channels (1 or 3), S edge of a result, L
// patches.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace medcoss::cuda {

/// Edge of a patch.
constexpr int patch_edge = 16;

/// What mixes a sample with another: x' = weight x + (1 - weight) x_partner. None: nothing does.
struct Mixing {
  const int64_t* partner;  // [B]
  const float* weight;     // [B]
};

/// Images as patches, three channels in any case; bytes are divided by 255. In: uint8 or float32.
template <typename In>
struct ImagePatches {
  const In* pixels;      // [B,H,W,C], edges multiples of 16
  const uint8_t* flips;  // [B], bit 0 mirrors left-right; none
  Mixing mixing;
  float* patches;  // [B,L,768]
  int64_t images, height, width, channels;
};

/// Volumes as patches of scale x + offset. In: int16 or float32.
template <typename In>
struct VolumePatches {
  const In* voxels;      // [B,D,H,W], edges multiples of 16
  const uint8_t* flips;  // [B], bits 0, 1, 2 mirror x, y, z; none
  Mixing mixing;
  float scale, offset;
  float* patches;  // [B,L,4096]
  int64_t volumes, depth, height, width;
};

template <typename In>
void image_patches(const ImagePatches<In>& p, cudaStream_t stream);
template <typename In>
void volume_patches(const VolumePatches<In>& p, cudaStream_t stream);

/// The bytes that ops/cpu/crop_resize.h divides by 255, by the same integer arithmetic.
struct CropResize {
  const uint8_t* pixels;  // [B,H,W,C]
  const float* crops;     // [B,4], top, left, height, width inside the image; none: the whole
  const uint8_t* flips;   // [B], bit 0 mirrors left-right; none
  uint8_t* out;           // [B,S,S,C]
  int64_t images, height, width, channels, size;
  int32_t* weights;  // crop_resize_weights values
  uint8_t* between;  // crop_resize_between values
};

/// Memory for images of this shape, whatever their crops.
int64_t crop_resize_weights(const CropResize& p);
int64_t crop_resize_between(const CropResize& p);

void crop_resize(const CropResize& p, cudaStream_t stream);

}  // namespace medcoss::cuda
