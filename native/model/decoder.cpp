#include "model/decoder.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/meshgrid.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/zeros.h>

namespace medcoss {
namespace {

constexpr double norm_epsilon = 1e-6;

// Sines and cosines [N,width] of positions [N].
at::Tensor waves(const at::Tensor& position_N, int64_t width) {
  const at::Tensor exponent = at::arange(width / 2, at::kDouble).div_(static_cast<double>(width) / 2);
  const at::Tensor angle = position_N.flatten().unsqueeze(1) * at::pow(10000.0, exponent).reciprocal_();
  return at::cat({angle.sin(), angle.cos()}, 1);
}

}  // namespace

DecoderBlock::DecoderBlock(const Scope& scope, const ModelSize& size)
    : heads_(size.decoder_heads),
      norm1_(scope.within("norm1"), size.decoder_width, norm_epsilon),
      qkv_(scope.within("attn.qkv"), size.decoder_width, 3 * size.decoder_width),
      proj_(scope.within("attn.proj"), size.decoder_width, size.decoder_width),
      norm2_(scope.within("norm2"), size.decoder_width, norm_epsilon),
      fc1_(scope.within("mlp.fc1"), size.decoder_width, 4 * size.decoder_width),
      fc2_(scope.within("mlp.fc2"), 4 * size.decoder_width, size.decoder_width) {}

at::Tensor DecoderBlock::forward(const at::Tensor& x_BLD) const {
  const at::Tensor attended = attend(qkv_.forward(norm1_.forward(x_BLD)), heads_, {});
  const at::Tensor x = x_BLD + proj_.forward(attended);
  return x + fc2_.forward(exact_gelu(fc1_.forward(norm2_.forward(x))));
}

at::Tensor sincos_positions(const std::array<int64_t, 3>& grid, int64_t width) {
  const auto axis = [](int64_t n) { return at::arange(n, at::kDouble); };
  const auto at_DHW = at::meshgrid({axis(grid[0]), axis(grid[1]), axis(grid[2])}, "ij");
  at::Tensor table;
  if (grid[0] == 1) {
    table = at::cat({waves(at_DHW[2], width / 2), waves(at_DHW[1], width / 2)}, 1);
  } else {
    // Even widths for the three axes; what is left over goes to the depth.
    const int64_t plane = width / 3 / 2 * 2;
    table = at::cat({waves(at_DHW[2], plane), waves(at_DHW[1], plane),
                     waves(at_DHW[0], width - 2 * plane)}, 1);
  }
  return at::cat({at::zeros({1, width}, at::kDouble), table}).to(at::kFloat).unsqueeze(0);
}

DecoderTokens::DecoderTokens(const Scope& scope, const ModelSize& size, bool fixed_positions) {
  const auto rows = [](const std::array<int64_t, 3>& grid) {
    return 1 + grid[0] * grid[1] * grid[2];
  };
  const int64_t width = size.decoder_width;
  mask_token = scope.add_table("mask_token", {1, 1, width}, 0.02);
  positions_2d = scope.add_table("decoder_pos_embed_2D", {1, rows(size.image_grid()), width}, 0,
                                 fixed_positions);
  positions_3d = scope.add_table("decoder_pos_embed_3D", {1, rows(size.volume_grid()), width}, 0,
                                 fixed_positions);
}

Decoder::Decoder(const Scope& scope, const ModelSize& size, DecoderTokens tokens)
    : tokens_(std::move(tokens)),
      embed_(scope.within("decoder_embed"), size.encoder_width, size.decoder_width),
      text_positions_(scope.add_table("decoder_pos_embed_1D.weight", {2, size.encoder_width}, 0.02)) {
  blocks_.reserve(static_cast<size_t>(size.decoder_layers));
  for (int64_t i = 0; i < size.decoder_layers; ++i) {
    blocks_.emplace_back(scope.within("decoder_blocks." + std::to_string(i)), size);
  }
  const int64_t pixels = patch_edge * patch_edge;
  norm_ = LayerNorm(scope.within("decoder_norm"), size.decoder_width, norm_epsilon);
  predict_2d_ = Linear(scope.within("decoder_pred_2D"), size.decoder_width, pixels * 3);
  predict_3d_ = Linear(scope.within("decoder_pred_3D"), size.decoder_width, pixels * patch_edge);
}

at::Tensor Decoder::forward(const at::Tensor& encoded, const Masking& masking, VisualKind kind) const {
  const bool flat = kind == VisualKind::image2d;
  const at::Tensor y = embed_.forward(encoded);
  const int64_t batch = y.size(0);
  const at::Tensor hidden = tokens_.mask_token.to(y.scalar_type())
                                .expand({batch, masking.removed_BR.size(1), y.size(2)});
  const at::Tensor first = at::zeros({batch, 1}, at::kLong);
  const at::Tensor place = at::cat({first, masking.restore_BL + 1}, 1);
  at::Tensor x = gather_rows(at::cat({y, hidden}, 1), place);
  x = x + (flat ? tokens_.positions_2d : tokens_.positions_3d);
  for (const DecoderBlock& block : blocks_) x = block.forward(x);
  return x;
}

at::Tensor Decoder::predict(const at::Tensor& hidden_ND, VisualKind kind) const {
  const Linear& head = kind == VisualKind::image2d ? predict_2d_ : predict_3d_;
  return head.forward(norm_.forward(hidden_ND)).to(at::kFloat);
}

}  // namespace medcoss
