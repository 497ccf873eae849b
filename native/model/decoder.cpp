#include "model/decoder.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/meshgrid.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace medcoss {
namespace {

constexpr double norm_epsilon = 1e-6;

// Sines and cosines [N,width] of positions [N].
at::Tensor waves(const at::Tensor& position_N, int64_t width) {
  const at::Tensor exponent =
      at::arange(width / 2, at::kDouble).div_(static_cast<double>(width) / 2);
  const at::Tensor angle =
      position_N.flatten().unsqueeze(1) * at::pow(10000.0, exponent).reciprocal_();
  return at::cat({angle.sin(), angle.cos()}, 1);
}

// The first `seen` rows of each sequence are its own, the others are patches that were removed.
Expansion expansion_of(const Masking& masking, int64_t seen) {
  const at::Tensor& removed_BR = masking.removed_BR;
  const int64_t batch = removed_BR.size(0);
  const int64_t tokens = seen + removed_BR.size(1);
  const auto options = removed_BR.options();
  const at::Tensor own = at::arange(batch * seen, options).view({batch, seen});
  Expansion expansion;
  expansion.row_N = at::cat({own, removed_BR + batch * seen}, 1).flatten();
  if (removed_BR.is_cpu()) return expansion;
  // The first token stands before the patches.
  const at::Tensor place_BL = masking.restore_BL + 1;
  const at::Tensor start_B1 = at::arange(batch, options).mul_(tokens).unsqueeze(1);
  const at::Tensor copy_BL = at::where(place_BL.ge(seen), place_BL + start_B1, -1);
  expansion.copy_RB = copy_BL.t().contiguous();
  return expansion;
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

BlockParameters DecoderBlock::parameters() const {
  return {{norm1_.parameters(), qkv_.parameters(), proj_.parameters(), {}},
          {norm2_.parameters(), fc1_.parameters(), fc2_.parameters(), {}}};
}

at::Tensor DecoderBlock::finish(const at::Tensor& x_BLD, const at::Tensor& attended) const {
  const at::Tensor x = x_BLD + proj_.forward(attended);
  return x + fc2_.forward(exact_gelu(fc1_.forward(norm2_.forward(x))));
}

at::Tensor DecoderBlock::forward(const at::Tensor& x_BLD) const {
  return finish(x_BLD, attend(qkv_.forward(norm1_.forward(x_BLD)), heads_, {}));
}

at::Tensor DecoderBlock::forward_first(const at::Tensor& x_BSD, const at::Tensor& filler_LD,
                                       const at::Tensor& removed_BR) const {
  const at::Tensor seen = qkv_.forward(norm1_.forward(x_BSD));
  const at::Tensor filler = qkv_.forward(norm1_.forward(filler_LD));
  const at::Tensor qkv = at::cat({seen, at::embedding(filler, removed_BR)}, 1);
  const at::Tensor x = at::cat({x_BSD, at::embedding(filler_LD, removed_BR)}, 1);
  return finish(x, attend(qkv, heads_, {}));
}

at::Tensor DecoderBlock::forward_last(const at::Tensor& x_BLD, int64_t count) const {
  const int64_t width = x_BLD.size(2);
  const auto tail = [&](const at::Tensor& x) { return x.slice(1, x.size(1) - count); };
  const at::Tensor normed = norm1_.forward(x_BLD);
  const at::Tensor q =
      at::linear(tail(normed), qkv_.weight.slice(0, 0, width), qkv_.bias.slice(0, 0, width));
  const at::Tensor kv = at::linear(normed, qkv_.weight.slice(0, width), qkv_.bias.slice(0, width));
  return finish(tail(x_BLD), attend(q, kv, heads_));
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
    table = at::cat(
        {waves(at_DHW[2], plane), waves(at_DHW[1], plane), waves(at_DHW[0], width - 2 * plane)}, 1);
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

Decoder::Decoder(const Scope& scope, const ModelSize& size, DecoderTokens tokens, BlockForm form)
    : tokens_(std::move(tokens)),
      embed_(scope.within("decoder_embed"), size.encoder_width, size.decoder_width),
      text_positions_(
          scope.add_table("decoder_pos_embed_1D.weight", {2, size.encoder_width}, 0.02)),
      heads_(size.decoder_heads),
      form_(form) {
  blocks_.reserve(static_cast<size_t>(size.decoder_layers));
  for (int64_t i = 0; i < size.decoder_layers; ++i) {
    blocks_.emplace_back(scope.within("decoder_blocks." + std::to_string(i)), size);
  }
  const int64_t pixels = patch_edge * patch_edge;
  norm_ = LayerNorm(scope.within("decoder_norm"), size.decoder_width, norm_epsilon);
  predict_2d_ = Linear(scope.within("decoder_pred_2D"), size.decoder_width, pixels * 3);
  predict_3d_ = Linear(scope.within("decoder_pred_3D"), size.decoder_width, pixels * patch_edge);
}

// The stream's rows are those of the tokens that were seen, then one per place of a patch: removed
// patches share theirs.
at::Tensor Decoder::run_stack(const at::Tensor& x_BSD, const at::Tensor& filler_LD,
                              const Masking& masking, int64_t wanted) const {
  const int64_t batch = x_BSD.size(0);
  const int64_t tokens = x_BSD.size(1) + masking.removed_BR.size(1);
  const auto options = masking.removed_BR.options();
  StackInput input(at::cat({x_BSD.flatten(0, 1), filler_LD}), Sequences::equal(batch, tokens),
                   heads_, product_type(x_BSD));
  input.expansion = expansion_of(masking, x_BSD.size(1));
  input.recomputes = form_ == BlockForm::recomputed;
  if (wanted < tokens) {
    const at::Tensor rows = at::arange(batch * tokens, options).view({batch, tokens});
    input.wanted = {rows.slice(1, tokens - wanted).flatten(), Sequences::equal(batch, wanted)};
  }
  std::vector<BlockParameters> blocks;
  blocks.reserve(blocks_.size());
  for (const DecoderBlock& block : blocks_) blocks.push_back(block.parameters());
  return transformer_stack(input, blocks, shadows_).view({batch, wanted, -1});
}

at::Tensor Decoder::run(const at::Tensor& encoded, const Masking& masking, VisualKind kind,
                        int64_t wanted) const {
  const at::Tensor& positions =
      (kind == VisualKind::image2d ? tokens_.positions_2d : tokens_.positions_3d).select(0, 0);
  const int64_t batch = encoded.size(0);
  const at::Tensor first = at::zeros({batch, 1}, masking.kept_BK.options());
  const at::Tensor seen = at::cat({first, masking.kept_BK + 1}, 1);
  const at::Tensor x_BSD = embed_.project(encoded) + at::embedding(positions, seen);
  const at::Tensor filler_LD = tokens_.mask_token.select(0, 0) + positions.slice(0, 1);
  if (form_ != BlockForm::modules && takes_heads(x_BSD, heads_)) {
    return run_stack(x_BSD, filler_LD, masking, wanted);
  }
  at::Tensor x = blocks_.front().forward_first(x_BSD, filler_LD, masking.removed_BR);
  for (size_t i = 1; i + 1 < blocks_.size(); ++i) x = blocks_[i].forward(x);
  if (blocks_.size() > 1) return blocks_.back().forward_last(x, wanted);
  return x.slice(1, x.size(1) - wanted);
}

at::Tensor Decoder::forward(const at::Tensor& encoded, const Masking& masking,
                            VisualKind kind) const {
  return run(encoded, masking, kind, masking.removed_BR.size(1));
}

at::Tensor Decoder::forward_all(const at::Tensor& encoded, const Masking& masking,
                                VisualKind kind) const {
  const at::Tensor all = run(encoded, masking, kind, masking.restore_BL.size(1));
  return gather_rows(all, masking.restore_BL);
}

at::Tensor Decoder::predict(const at::Tensor& hidden_ND, VisualKind kind) const {
  const Linear& head = kind == VisualKind::image2d ? predict_2d_ : predict_3d_;
  return head.project(norm_.forward(hidden_ND));
}

}  // namespace medcoss
