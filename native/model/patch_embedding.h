// Patch embedding of images and volumes (`video_embed.*`): two convolutions, two pairs of position
// tables, one norm.
//
// A convolution whose stride is its kernel is a matrix product of patches; so only patches that are
// kept are embedded. Shape letters: B batch, K kept patches, V values of a patch, W width.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/layers.h"
#include "model/size.h"

namespace medcoss {

enum class VisualKind { image2d, volume3d };

/// Images or volumes as patches.
struct VisualInput {
  VisualKind kind = VisualKind::image2d;
  at::Tensor patches_BLV;
};

class PatchEmbedding {
 public:
  PatchEmbedding(const Scope& scope, const ModelSize& size);
  /// LN(conv(patch) + temporal[frame] + spatial[index]); `index_BK` are running numbers of the
  /// patches, `frame_1` is a row number (undefined: 0).
  at::Tensor forward(const VisualInput& kept_BKV, const at::Tensor& index_BK,
                     const at::Tensor& frame_1) const;

 private:
  struct Tables {
    at::Tensor spatial, temporal;
    Tables(const Scope& scope, int64_t rows, int64_t width);
  };
  // The convolution's kernel [W,V] with values in the order of a patch.
  at::Tensor kernel(VisualKind kind) const;

  // Registered in the published order. The first two tables are never used: they keep checkpoints
  // loadable.
  LayerNorm norm_;
  at::Tensor unused_positions_, unused_type_;
  Tables tables_2d_, tables_3d_;
  at::Tensor kernel_2d_, bias_2d_, kernel_3d_, bias_3d_;
};

}  // namespace medcoss
