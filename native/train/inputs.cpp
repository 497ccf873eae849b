#include "train/inputs.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/where.h>

#include <sstream>
#include <string>

#include "model/patches.h"
#include "ops/cpu/crop_resize.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"
#include "support/error.h"

namespace medcoss {
namespace {

std::string shape_text(const at::Tensor& tensor) {
  std::ostringstream text;
  text << "shape " << tensor.sizes();
  return text.str();
}

// Mirrors the samples whose flag has `bit` set along `axis`.
at::Tensor mirrored(const at::Tensor& x, const at::Tensor& flips_B, int bit, int64_t axis) {
  const at::Tensor flagged = flips_B.bitwise_and(1 << bit).ne(0);
  if (!flagged.any().item<bool>()) return x;
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  return at::where(flagged.view(shape), x.flip({axis}), x);
}

void check_positive(const char* name, int64_t value, int64_t multiple) {
  if (value > 0 && value % multiple == 0) return;
  refuse(name, "a positive multiple of " + std::to_string(multiple), std::to_string(value));
}

void check_heads(const char* name, int64_t width, int64_t heads) {
  // Sine and cosine positions split the width in four.
  check_positive(name, width, 4);
  if (heads > 0 && width % heads == 0) return;
  refuse(name, "heads that divide the width " + std::to_string(width), std::to_string(heads));
}

void check_images(const ImageBatch& batch, const ModelSize& size) {
  const at::Tensor& image = batch.pixels_BHWC;
  const int64_t edge = size.image_size;
  if (image.dim() != 4 || image.size(0) < 1 || (image.size(3) != 3 && image.size(3) != 1)) {
    refuse("pixels", "[B,H,W,3] or [B,H,W,1]", shape_text(image));
  }
  if (!batch.crops_B4.defined() && (image.size(1) != edge || image.size(2) != edge)) {
    refuse("pixels without crops", "edge " + std::to_string(edge), shape_text(image));
  }
}

VisualInput prepare_images(const ImageBatch& batch, const ModelSize& size) {
  at::Tensor image = batch.pixels_BHWC;
  if (batch.crops_B4.defined()) {
    image = crop_resize(image, batch.crops_B4, batch.flips_B, size.image_size);
  } else {
    if (image.scalar_type() == at::kByte) image = image.to(at::kFloat).div_(255);
    if (batch.flips_B.defined()) image = mirrored(image, batch.flips_B, 0, 2);
  }
  return {VisualKind::image2d, image_patches(image)};
}

VisualInput images_on_device(const ImageBatch& batch, const ModelSize& size,
                             const PictureMix& mix) {
  CudaOperations& gpu = cuda_library().operations();
  at::Tensor image = batch.pixels_BHWC.contiguous();
  at::Tensor flips = batch.flips_B;
  if (batch.crops_B4.defined()) {
    image = gpu.crop_resize(image, batch.crops_B4, flips, size.image_size);
    flips = at::Tensor();
  }
  return {VisualKind::image2d, gpu.image_patches(image, flips, mix)};
}

void check_volumes(const VolumeBatch& batch, const ModelSize& size) {
  const at::Tensor& volume = batch.voxels_BDHW;
  const auto& expected = size.volume_size;
  if (volume.dim() == 4 && volume.size(0) > 0 &&
      volume.sizes().slice(1) == at::IntArrayRef(expected.data(), expected.size())) {
    return;
  }
  std::ostringstream text;
  text << "[B," << expected[0] << ',' << expected[1] << ',' << expected[2] << ']';
  refuse("voxels", text.str(), shape_text(volume));
}

VisualInput prepare_volumes(const VolumeBatch& batch) {
  at::Tensor volume = batch.voxels_BDHW.to(at::kFloat);
  if (batch.scale != 1) volume = volume * batch.scale;
  if (batch.offset != 0) volume = volume + batch.offset;
  if (batch.flips_B.defined()) {
    for (int bit = 0; bit < 3; ++bit) volume = mirrored(volume, batch.flips_B, bit, 3 - bit);
  }
  return {VisualKind::volume3d, volume_patches(volume)};
}

VisualInput volumes_on_device(const VolumeBatch& batch, const PictureMix& mix) {
  return {VisualKind::volume3d,
          cuda_library().operations().volume_patches(
              batch.voxels_BDHW.contiguous(), {batch.scale, batch.offset}, batch.flips_B, mix)};
}

}  // namespace

void check_size(const ModelSize& size) {
  constexpr int64_t text_rows = 512;
  check_heads("encoder", size.encoder_width, size.encoder_heads);
  check_heads("decoder", size.decoder_width, size.decoder_heads);
  check_positive("encoder layers", size.encoder_layers, 1);
  check_positive("decoder layers", size.decoder_layers, 1);
  check_positive("vocabulary", size.vocabulary, 1);
  check_positive("image size", size.image_size, patch_edge);
  for (const int64_t n : size.volume_size) check_positive("volume size", n, patch_edge);
  check_positive("text length", size.text_length, 1);
  if (size.text_length > text_rows)
    refuse("text length", "at most 512", std::to_string(size.text_length));
  if (size.image_size > 512) refuse("image size", "at most 512", std::to_string(size.image_size));
  const auto grid = size.volume_grid();
  if (grid[0] * grid[1] * grid[2] > 4096) refuse("volume size", "at most 4096 patches", "more");
}

VisualInput prepare_visual(const Batch& batch, const ModelSize& size, const VisualMix& mix) {
  const auto* image = std::get_if<ImageBatch>(&batch);
  const auto* volume = std::get_if<VolumeBatch>(&batch);
  image != nullptr ? check_images(*image, size) : check_volumes(*volume, size);
  const PictureMix fused{mix.partner_B, mix.weight_B};
  if (image != nullptr && image->pixels_BHWC.is_cuda())
    return images_on_device(*image, size, fused);
  if (volume != nullptr && volume->voxels_BDHW.is_cuda()) return volumes_on_device(*volume, fused);
  const VisualInput own =
      image != nullptr ? prepare_images(*image, size) : prepare_volumes(*volume);
  return mix.partner_B.defined() ? mixup(own, mix) : own;
}

TextInput prepare_text(const TextBatch& batch, const ModelSize& size) {
  const at::Tensor& ids = batch.ids_BL;
  if (ids.dim() != 2 || ids.size(0) < 1 || ids.size(1) < 1 || ids.size(1) > size.text_length) {
    refuse("ids", "[B,L] with L at most " + std::to_string(size.text_length), shape_text(ids));
  }
  if (batch.lengths_B.sizes() != at::IntArrayRef{ids.size(0)}) {
    refuse("lengths", "one per sequence", shape_text(batch.lengths_B));
  }
  const auto range = [](const at::Tensor& x, int64_t low, int64_t high) {
    return x.min().item<int64_t>() >= low && x.max().item<int64_t>() <= high;
  };
  if (!range(ids, 0, size.vocabulary - 1)) {
    refuse("ids", "0 to " + std::to_string(size.vocabulary - 1), "another id");
  }
  if (!range(batch.lengths_B, 1, ids.size(1))) {
    refuse("lengths", "1 to " + std::to_string(ids.size(1)), "another length");
  }
  const at::Tensor place = at::arange(ids.size(1), at::kInt).unsqueeze(0);
  return text_input(ids.to(at::kLong), place.lt(batch.lengths_B.unsqueeze(1)));
}

int64_t samples_of(const Batch& batch) {
  if (const auto* text = std::get_if<TextBatch>(&batch)) return text->ids_BL.size(0);
  if (const auto* image = std::get_if<ImageBatch>(&batch)) return image->pixels_BHWC.size(0);
  return std::get<VolumeBatch>(batch).voxels_BDHW.size(0);
}

}  // namespace medcoss
