#include "model/patches.h"

#include "model/size.h"

namespace medcoss {

constexpr int64_t p = patch_edge;

at::Tensor image_patches(const at::Tensor& image_BHWC) {
  const int64_t batch = image_BHWC.size(0);
  const int64_t rows = image_BHWC.size(1) / p;
  const int64_t columns = image_BHWC.size(2) / p;
  const at::Tensor colour = image_BHWC.expand({-1, -1, -1, 3});
  return colour.reshape({batch, rows, p, columns, p, 3})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({batch, rows * columns, p * p * 3});
}

at::Tensor volume_patches(const at::Tensor& volume_BDHW) {
  const int64_t batch = volume_BDHW.size(0);
  const int64_t depth = volume_BDHW.size(1) / p;
  const int64_t rows = volume_BDHW.size(2) / p;
  const int64_t columns = volume_BDHW.size(3) / p;
  return volume_BDHW.reshape({batch, depth, p, rows, p, columns, p})
      .permute({0, 1, 3, 5, 2, 4, 6})
      .reshape({batch, depth * rows * columns, p * p * p});
}

at::Tensor image_of_patches(const at::Tensor& patches_BLV, int64_t size) {
  const int64_t n = size / p;
  return patches_BLV.reshape({-1, n, n, p, p, 3})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({-1, size, size, 3});
}

at::Tensor volume_of_patches(const at::Tensor& patches_BLV, at::IntArrayRef size) {
  return patches_BLV.reshape({-1, size[0] / p, size[1] / p, size[2] / p, p, p, p})
      .permute({0, 1, 4, 2, 5, 3, 6})
      .reshape({-1, size[0], size[1], size[2]});
}

}  // namespace medcoss
