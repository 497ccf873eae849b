// Resampling of one volume on a grid of its own: linear or cubic B-spline, with antialias.
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

struct ResampleOptions {
  ResampleGrid grid;
  /// Cubic B-splines through the voxels, which mirror at the outermost centres; otherwise linear.
  bool spline = false;
  /// Gaussian of sigma (scale - 1) / 2 along axes whose scale is over 1, cut at 4 sigma.
  bool antialias = false;
  /// Positions beyond the outermost centres read the mirrored volume; otherwise the nearest voxel.
  bool mirror = false;
  /// Values stay between the input's least and greatest.
  bool keep_range = false;
  /// int16 with halves to even in place of float32.
  bool to_int16 = false;
  /// Value of positions outside [-0.5, n - 0.5) on any axis.
  std::optional<double> outside;
};

/// Resamples uint8, int16 or float32 [D,H,W]. Beside input and output it takes a few MB per thread.
at::Tensor resample(const at::Tensor& voxels_DHW, const ResampleOptions& options);

}  // namespace medcoss
