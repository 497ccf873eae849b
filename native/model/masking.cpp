#include "model/masking.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace medcoss {

Masking random_masking(const at::Tensor& noise_BL, double ratio) {
  const int64_t patches = noise_BL.size(1);
  if (ratio == 0) return no_masking(noise_BL.size(0), patches, noise_BL.device());
  const auto kept = static_cast<int64_t>(std::floor(static_cast<double>(patches) * (1 - ratio)));
  const at::Tensor order = at::argsort(noise_BL, true, 1, false);
  const at::Tensor restore = at::argsort(order, true, 1, false);
  return {order.narrow(1, 0, kept).contiguous(), order.narrow(1, kept, patches - kept).contiguous(),
          restore, restore.ge(kept).to(at::kFloat)};
}

Masking no_masking(int64_t batch, int64_t patches, at::Device device) {
  const auto index = at::TensorOptions(device).dtype(at::kLong);
  const at::Tensor all = at::arange(patches, index).expand({batch, patches});
  return {all, at::empty({batch, 0}, index), all,
          at::zeros({batch, patches}, index.dtype(at::kFloat))};
}

at::Tensor gather_rows(const at::Tensor& x_BLV, const at::Tensor& index_BK) {
  return x_BLV.gather(1, index_BK.unsqueeze(-1).expand({-1, -1, x_BLV.size(2)}));
}

}  // namespace medcoss
