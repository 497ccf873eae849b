// Launchers of what makes patches from records.
#include "ops/cuda/launch_support.h"
#include "ops/cuda/launchers.h"
#include "ops/cuda/picture_kernels.h"

namespace medcoss::cuda {
namespace {

const uint8_t* bytes(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<uint8_t>() : nullptr;
}

Mixing mixing_of(const PictureMix& mix) {
  if (!mix.partner_B.defined()) return {nullptr, nullptr};
  return {mix.partner_B.const_data_ptr<int64_t>(), floats(mix.weight_B)};
}

void check_edge(const char* name, int64_t edge) {
  if (edge > 0 && edge % patch_edge == 0) return;
  refuse(name, "a multiple of " + std::to_string(patch_edge), std::to_string(edge));
}

}  // namespace

at::Tensor Launchers::image_patches(const at::Tensor& pixels_BHWC, const at::Tensor& flips_B,
                                    const PictureMix& mix) {
  const Launch launch(pixels_BHWC);
  const int64_t images = pixels_BHWC.size(0);
  const int64_t height = pixels_BHWC.size(1);
  const int64_t width = pixels_BHWC.size(2);
  const int64_t channels = pixels_BHWC.size(3);
  check_edge("height", height);
  check_edge("width", width);
  constexpr int64_t edge = patch_edge;
  at::Tensor patches =
      fresh({images, height / edge * (width / edge), edge * edge * 3}, pixels_BHWC, at::kFloat);
  if (pixels_BHWC.scalar_type() == at::kByte)
    cuda::image_patches<uint8_t>({bytes(pixels_BHWC), bytes(flips_B), mixing_of(mix),
                                  mutable_floats(patches), images, height, width, channels},
                                 launch.stream);
  else
    cuda::image_patches<float>({floats(pixels_BHWC), bytes(flips_B), mixing_of(mix),
                                mutable_floats(patches), images, height, width, channels},
                               launch.stream);
  check_launch("image_patches");
  return patches;
}

at::Tensor Launchers::volume_patches(const at::Tensor& voxels_BDHW, const VolumeScale& scale,
                                     const at::Tensor& flips_B, const PictureMix& mix) {
  const Launch launch(voxels_BDHW);
  const int64_t volumes = voxels_BDHW.size(0);
  const int64_t depth = voxels_BDHW.size(1);
  const int64_t height = voxels_BDHW.size(2);
  const int64_t width = voxels_BDHW.size(3);
  check_edge("depth", depth);
  check_edge("height", height);
  check_edge("width", width);
  constexpr int64_t edge = patch_edge;
  at::Tensor patches =
      fresh({volumes, depth / edge * (height / edge) * (width / edge), edge * edge * edge},
            voxels_BDHW, at::kFloat);
  const auto factor = static_cast<float>(scale.factor);
  const auto offset = static_cast<float>(scale.offset);
  if (voxels_BDHW.scalar_type() == at::kShort)
    cuda::volume_patches<int16_t>(
        {voxels_BDHW.const_data_ptr<int16_t>(), bytes(flips_B), mixing_of(mix), factor, offset,
         mutable_floats(patches), volumes, depth, height, width},
        launch.stream);
  else
    cuda::volume_patches<float>({floats(voxels_BDHW), bytes(flips_B), mixing_of(mix), factor,
                                 offset, mutable_floats(patches), volumes, depth, height, width},
                                launch.stream);
  check_launch("volume_patches");
  return patches;
}

at::Tensor Launchers::crop_resize(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                                  const at::Tensor& flips_B, int64_t size) {
  const Launch launch(pixels_BHWC);
  const int64_t images = pixels_BHWC.size(0);
  const int64_t channels = pixels_BHWC.size(3);
  at::Tensor out = fresh({images, size, size, channels}, pixels_BHWC, at::kByte);
  CropResize p{bytes(pixels_BHWC),
               floats(crops_B4),
               bytes(flips_B),
               out.mutable_data_ptr<uint8_t>(),
               images,
               pixels_BHWC.size(1),
               pixels_BHWC.size(2),
               channels,
               size,
               nullptr,
               nullptr};
  const at::Tensor weights = fresh({crop_resize_weights(p)}, pixels_BHWC, at::kInt);
  const at::Tensor between = fresh({crop_resize_between(p)}, pixels_BHWC, at::kByte);
  p.weights = weights.mutable_data_ptr<int32_t>();
  p.between = between.mutable_data_ptr<uint8_t>();
  cuda::crop_resize(p, launch.stream);
  check_launch("crop_resize");
  return out;
}

}  // namespace medcoss::cuda
