// Trilinear resampling of one volume on a grid of its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>

namespace medcoss {

/// Output voxel i reads input position `i * scale + shift`, in voxels.
struct ResampleAxis {
  int64_t size = 1;
  double scale = 1;
  double shift = 0;
};

using ResampleGrid = std::array<ResampleAxis, 3>;

/// Resamples float32 [D,H,W]. Positions outside [-0.5, n - 0.5) on any axis give `outside` where it
/// is set, else the nearest voxel; the half voxel around the outermost centres takes their value,
/// as in ITK.
at::Tensor resample(const at::Tensor& voxels_DHW, const ResampleGrid& grid,
                    std::optional<double> outside);

}  // namespace medcoss
