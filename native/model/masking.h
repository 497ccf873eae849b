// Which patches the encoder sees.
//
// Shape letters: B batch, L patches, K kept, R removed (K + R = L).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace medcoss {

struct Masking {
  at::Tensor kept_BK;     // int64, patches in the order of their noise
  at::Tensor removed_BR;  // int64
  at::Tensor restore_BL;  // int64, place of each patch among kept and removed
  at::Tensor mask_BL;     // float32, 1 = removed

  bool hides() const { return removed_BR.size(1) > 0; }
};

/// Keeps the floor(L (1 - ratio)) patches of smallest noise; equal noise is ordered by index. Ratio
/// 0 keeps all in their order, and needs no values of noise.
Masking random_masking(const at::Tensor& noise_BL, double ratio);

/// Keeps all patches of a batch.
Masking no_masking(int64_t batch, int64_t patches, at::Device device);

/// Rows of `x_BLV` named by `index_BK`.
at::Tensor gather_rows(const at::Tensor& x_BLV, const at::Tensor& index_BK);

}  // namespace medcoss
