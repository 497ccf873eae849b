// Shape suffixes: B image, H W rows and columns, C channel.
#include "ops/cpu/crop_resize.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <string>

#include "ops/cpu/image_resizer.h"
#include "support/error.h"

namespace medcoss {

namespace {

PixelBox whole_box(float top, float left, float height, float width) {
  const auto rounded = [](double edge) { return static_cast<int64_t>(std::nearbyint(edge)); };
  const PixelBox box{rounded(top), rounded(left), 0, 0};
  return {box.top, box.left, rounded(double{top} + height) - box.top,
          rounded(double{left} + width) - box.left};
}

}  // namespace

at::Tensor crop_resize(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                       const at::Tensor& flips_B, int64_t size) {
  const at::Tensor out =
      at::empty({pixels_BHWC.size(0), size, size, pixels_BHWC.size(3)}, at::kFloat);
  crop_resize_into(pixels_BHWC, crops_B4, flips_B, out);
  return out;
}

void crop_resize_into(const at::Tensor& pixels_BHWC, const at::Tensor& crops_B4,
                      const at::Tensor& flips_B, const at::Tensor& out_BSSC) {
  const at::Tensor pixels = pixels_BHWC.contiguous();
  const int64_t count = pixels.size(0);
  const int64_t height = pixels.size(1);
  const int64_t width = pixels.size(2);
  const int64_t channels = pixels.size(3);
  if (channels != 1 && channels != 3) refuse("channels", "1 or 3", std::to_string(channels));
  const at::Tensor crops = crops_B4.defined() ? crops_B4.contiguous() : crops_B4;
  const at::Tensor flips = flips_B.defined() ? flips_B.contiguous() : flips_B;
  const int64_t size = out_BSSC.size(1);

  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    ImageResizer resizer(channels, size);
    for (int64_t i = begin; i < end; i++) {
      const float* crop = crops.defined() ? crops.const_data_ptr<float>() + 4 * i : nullptr;
      const PixelBox box =
          crop ? whole_box(crop[0], crop[1], crop[2], crop[3]) : PixelBox{0, 0, height, width};
      const bool flip = flips.defined() && (flips.const_data_ptr<uint8_t>()[i] & 1) != 0;
      const int64_t corner = ((i * height + box.top) * width + box.left) * channels;
      resizer.resize(pixels.const_data_ptr<uint8_t>() + corner, width * channels, box, flip,
                     out_BSSC.data_ptr<float>() + i * size * size * channels);
    }
  });
}

}  // namespace medcoss
