#include "model/patch_embedding.h"

#include <ATen/ops/embedding.h>

#include <cmath>

#include "ops/autograd/linear.h"

namespace medcoss {
namespace {

constexpr int64_t p = patch_edge;
// Tables are made for inputs of 512 x 512 and 256^3 pixels, and for eight frames.
constexpr int64_t rows_2d = 32 * 32;
constexpr int64_t rows_3d = 16 * 16 * 16;
constexpr int64_t frames = 8;
constexpr int64_t unused_rows = 1600;

Initial convolution(int64_t fan_in) {
  return Initial::uniform(1 / std::sqrt(static_cast<double>(fan_in)));
}

}  // namespace

PatchEmbedding::Tables::Tables(const Scope& scope, int64_t rows, int64_t width)
    : spatial(scope.add_table("spatial_pos_embed.weight", {rows, width}, 1)),
      temporal(scope.add_table("temporal_pos_embed.weight", {frames, width}, 1)) {}

PatchEmbedding::PatchEmbedding(const Scope& scope, const ModelSize& size)
    : norm_(scope.within("embeddings_norm"), size.encoder_width, 1e-5),
      unused_positions_(scope.add_table("embeddings_pos.position_embeddings.weight",
                                        {unused_rows, size.encoder_width}, 1)),
      unused_type_(scope.add_table("embeddings_type.weight", {1, size.encoder_width}, 1)),
      tables_2d_(scope.within("embeddings_st_pos_2D"), rows_2d, size.encoder_width),
      tables_3d_(scope.within("embeddings_st_pos_3D"), rows_3d, size.encoder_width) {
  const int64_t width = size.encoder_width;
  const Initial flat = convolution(3 * p * p);
  const Initial deep = convolution(p * p * p);
  kernel_2d_ = scope.add("embeddings.weight", {width, 3, p, p}, flat);
  bias_2d_ = scope.add("embeddings.bias", {width}, flat);
  kernel_3d_ = scope.add("embeddings_3D.weight", {width, 1, p, p, p}, deep);
  bias_3d_ = scope.add("embeddings_3D.bias", {width}, deep);
}

at::Tensor PatchEmbedding::kernel(VisualKind kind) const {
  if (kind == VisualKind::image2d) return kernel_2d_.permute({0, 2, 3, 1}).flatten(1);
  return kernel_3d_.flatten(1);
}

at::Tensor PatchEmbedding::forward(const VisualInput& kept_BKV, const at::Tensor& index_BK,
                                   const at::Tensor& frame_1) const {
  const bool flat = kept_BKV.kind == VisualKind::image2d;
  const Tables& tables = flat ? tables_2d_ : tables_3d_;
  const at::Tensor& bias = flat ? bias_2d_ : bias_3d_;
  const at::Tensor& patches_BLV = kept_BKV.patches_BLV;
  const at::Tensor tokens =
      linear_layer(patches_BLV, kernel(kept_BKV.kind), bias, product_type(patches_BLV));
  const at::Tensor moment = frame_1.defined()
                                ? tables.temporal.index_select(0, frame_1).select(0, 0)
                                : tables.temporal.select(0, 0);
  const at::Tensor positions = at::embedding(tables.spatial, index_BK) + moment;
  return norm_.forward(tokens + positions);
}

}  // namespace medcoss
