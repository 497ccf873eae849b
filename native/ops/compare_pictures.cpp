// What makes patches from records, on a CUDA device and on the CPU.
#include <ATen/ops/arange.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <string>
#include <vector>

#include "ops/compare.h"
#include "ops/cpu/crop_resize.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"

namespace medcoss {
namespace {

constexpr int64_t edge = 16;

at::Tensor moved(const at::Tensor& x, at::Device device) {
  return x.defined() ? x.to(device) : x;
}

struct Mix {
  PictureMix cpu, device;

  Mix(int64_t samples, at::Device target)
      : cpu{at::arange(samples).add(1).remainder(samples), drawn("lambda", {samples}, 0.5, 0.5)},
        device{cpu.partner_B.to(target), cpu.weight_B.to(target)} {}
};

at::Tensor mirrored(const at::Tensor& x, const at::Tensor& flips_B, int bit, int64_t axis) {
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  const at::Tensor flagged = flips_B.bitwise_and(1 << bit).ne(0).view(shape);
  return at::where(flagged, x.flip({axis}), x);
}

at::Tensor mixed(const at::Tensor& own, const PictureMix& mix) {
  const at::Tensor weight = mix.weight_B.view({-1, 1, 1});
  return own * weight + own.index_select(0, mix.partner_B) * (1 - weight);
}

at::Tensor image_reference(const at::Tensor& pixels, const at::Tensor& flips,
                           const PictureMix& mix) {
  at::Tensor image = pixels.to(at::kFloat);
  if (pixels.scalar_type() == at::kByte) image = image / 255;
  image = mirrored(image, flips, 0, 2).expand({-1, -1, -1, 3});
  const int64_t rows = image.size(1) / edge;
  const int64_t columns = image.size(2) / edge;
  return mixed(image.reshape({-1, rows, edge, columns, edge, 3})
                   .permute({0, 1, 3, 2, 4, 5})
                   .reshape({-1, rows * columns, edge * edge * 3}),
               mix);
}

at::Tensor volume_reference(const at::Tensor& voxels, const VolumeScale& scale,
                            const at::Tensor& flips, const PictureMix& mix) {
  at::Tensor volume = voxels.to(at::kFloat) * scale.factor + scale.offset;
  for (int bit = 0; bit < 3; ++bit) volume = mirrored(volume, flips, bit, 3 - bit);
  const int64_t planes = volume.size(1) / edge;
  const int64_t rows = volume.size(2) / edge;
  const int64_t columns = volume.size(3) / edge;
  return mixed(volume.reshape({-1, planes, edge, rows, edge, columns, edge})
                   .permute({0, 1, 3, 5, 2, 4, 6})
                   .reshape({-1, planes * rows * columns, edge * edge * edge}),
               mix);
}

void compare_patches(at::Device device, OperationReport& report) {
  CudaOperations& gpu = cuda_library().operations();
  constexpr int64_t samples = 5;
  const Mix mix(samples, device);
  const at::Tensor flips = at::arange(samples).add(1).mul(3).to(at::kByte);
  for (const at::ScalarType type : {at::kByte, at::kFloat}) {
    for (const int64_t channels : {1, 3}) {
      const double range = type == at::kByte ? 127 : 0.5;
      const at::Tensor pixels = drawn("pixels", {samples, 48, 32, channels}, range, range).to(type);
      const at::Tensor found = gpu.image_patches(pixels.to(device), flips.to(device), mix.device);
      compare_results(std::string(c10::toString(type)) + " " + std::to_string(channels),
                      {{"image patches", found}},
                      {{"image patches", image_reference(pixels, flips, mix.cpu)}}, report);
    }
  }
  for (const at::ScalarType type : {at::kShort, at::kFloat}) {
    const at::Tensor voxels = drawn("voxels", {samples, 32, 48, 16}, 500, 1500).to(type);
    const VolumeScale scale{0.01, -0.4};
    const at::Tensor found =
        gpu.volume_patches(voxels.to(device), scale, flips.to(device), mix.device);
    compare_results(c10::toString(type), {{"volume patches", found}},
                    {{"volume patches", volume_reference(voxels, scale, flips, mix.cpu)}}, report);
  }
}

struct Crop {
  int64_t height, width, channels, size;
  std::vector<float> boxes;  // top, left, height, width; none: whole images
};

void compare_crop(const Crop& c, at::Device device, OperationReport& report) {
  const int64_t images = c.boxes.empty() ? 2 : static_cast<int64_t>(c.boxes.size()) / 4;
  const at::Tensor pixels =
      drawn("bytes", {images, c.height, c.width, c.channels}, 127.5, 127.5).to(at::kByte);
  at::Tensor crops;
  if (!c.boxes.empty()) crops = at::tensor(c.boxes, at::kFloat).view({images, 4});
  const at::Tensor flips = at::arange(images).remainder(2).to(at::kByte);
  const at::Tensor found = cuda_library().operations().crop_resize(
      pixels.to(device), moved(crops, device), flips.to(device), c.size);
  const at::Tensor expected = crop_resize(pixels, crops, flips, c.size).mul(255).round();
  const std::string name = std::to_string(c.height) + "x" + std::to_string(c.width) + "x" +
                           std::to_string(c.channels) + " to " + std::to_string(c.size);
  compare_results(name, {{"crop_resize", found.to(at::kFloat)}}, {{"crop_resize", expected}},
                  report);
  // Equal in every byte.
  report.comparisons.back().bound = 0;
}

void time_all(at::Device device, OperationReport& report) {
  CudaOperations& gpu = cuda_library().operations();
  const auto bytes = at::TensorOptions(device).dtype(at::kByte);
  const Mix mix(128, device);
  const at::Tensor pixels = at::randint(256, {128, 256, 256, 3}, bytes);
  const at::Tensor resized = at::randint(256, {128, 224, 224, 3}, bytes);
  const double read = static_cast<double>(pixels.numel());
  const double made = static_cast<double>(resized.numel());
  time_operation(
      "crop_resize 128x256x256x3 to 224", read + made, device,
      [&] { gpu.crop_resize(pixels, {}, {}, 224); }, report);
  time_operation(
      "image_patches 128x224x224x3", 5 * made, device, [&] { gpu.image_patches(resized, {}, {}); },
      report);
  const at::Tensor voxels = at::randint(4096, {128, 16, 192, 192}, bytes.dtype(at::kShort));
  const double count = static_cast<double>(voxels.numel());
  time_operation(
      "volume_patches 128x16x192x192", 6 * count, device,
      [&] {
        gpu.volume_patches(voxels, {0.01, 0}, {}, {});
      },
      report);
  time_operation(
      "volume_patches 128x16x192x192 mixed", 8 * count, device,
      [&] {
        gpu.volume_patches(voxels, {0.01, 0}, {}, mix.device);
      },
      report);
}

}  // namespace

void compare_pictures(at::Device device, OperationReport& report) {
  compare_patches(device, report);
  // Wide, tall, enlarged, and boxes at the borders.
  const Crop crops[] = {{256, 256, 3, 224, {0, 0, 256, 256, 10, 33, 201, 77, 0.5F, 1.5F, 30, 254}},
                        {300, 61, 1, 48, {0, 0, 300, 61, 200, 20, 100, 41}},
                        {61, 300, 3, 48, {0, 0, 61, 300, 3, 100, 20, 200}},
                        {20, 23, 3, 64, {}}};
  for (const Crop& crop : crops) compare_crop(crop, device, report);
  if (report.timed) time_all(device, report);
}

}  // namespace medcoss
