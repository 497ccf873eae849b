#include "model/encoder.h"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/index_add.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

namespace medcoss {
namespace {

// x + scale * DropPath(branch(x)). The branch is computed for the samples that keep it only.
template <typename Branch>
at::Tensor add_branch(const at::Tensor& x_BLW, const at::Tensor& scale_W,
                      const Stochastic& stochastic, size_t slot, const Branch& branch) {
  if (stochastic.survivors.empty()) {
    at::Tensor scale = scale_W;
    if (stochastic.scale_SB.defined()) {
      scale = scale * stochastic.scale_SB.select(0, static_cast<int64_t>(slot)).view({-1, 1, 1});
    }
    return at::addcmul(x_BLW, branch(x_BLW, at::Tensor()), scale);
  }
  const auto& samples = stochastic.survivors[slot];
  const at::Tensor scale = scale_W / (1 - stochastic.drop_rate);
  const auto count = static_cast<int64_t>(samples.size());
  if (count == x_BLW.size(0)) return at::addcmul(x_BLW, branch(x_BLW, at::Tensor()), scale);
  // With no survivor the parameters still get a gradient, of zeros.
  if (count == 0) return at::addcmul(x_BLW, branch(x_BLW, at::Tensor()), scale * 0);
  const at::Tensor index = at::tensor(samples, at::kLong);
  const at::Tensor out = branch(x_BLW.index_select(0, index), index) * scale;
  return x_BLW.index_add(0, index, out);
}

// The factor of each sample's branch [B]: 0 where it was dropped.
at::Tensor branch_weights(const Stochastic& stochastic, size_t slot, const at::Tensor& x_BLW) {
  if (!stochastic.scale_SB.defined()) {
    return at::ones({x_BLW.size(0)}, x_BLW.options().dtype(at::kFloat));
  }
  return stochastic.scale_SB.select(0, static_cast<int64_t>(slot));
}

at::Tensor rows_of(const at::Tensor& mask, const at::Tensor& index) {
  const bool shared = !mask.defined() || !index.defined() || mask.size(0) == 1;
  return shared ? mask : mask.index_select(0, index);
}

}  // namespace

EncoderLayer::EncoderLayer(const Scope& scope, const ModelSize& size) : heads_(size.encoder_heads) {
  const int64_t width = size.encoder_width;
  gamma_1_ = scope.add("gamma_1", {width}, Initial::constant(1e-3));
  gamma_2_ = scope.add("gamma_2", {width}, Initial::constant(1e-3));
  const Scope attention = scope.within("self_attn");
  in_weight_ =
      attention.add("in_proj_weight", {3 * width, width}, Initial::xavier(3 * width, width));
  in_bias_ = attention.add("in_proj_bias", {3 * width}, Initial::constant(0));
  out_ = Linear(attention.within("out_proj"), width, width);
  linear1_ = Linear(scope.within("linear1"), width, 4 * width);
  linear2_ = Linear(scope.within("linear2"), 4 * width, width);
  norm1_ = LayerNorm(scope.within("norm1"), width, 1e-5);
  norm2_ = LayerNorm(scope.within("norm2"), width, 1e-5);
}

at::Tensor EncoderLayer::attended(const at::Tensor& x_BLW, const at::Tensor& mask) const {
  return attend(at::linear(norm1_.forward(x_BLW), in_weight_, in_bias_), heads_, mask);
}

at::Tensor EncoderLayer::attention(const at::Tensor& x_BLW, const at::Tensor& mask) const {
  return out_.forward(attended(x_BLW, mask));
}

at::Tensor EncoderLayer::rows(const at::Tensor& x_BLW, const at::Tensor& mask,
                              const RowWeights& weights) const {
  const auto wanted = [&](const at::Tensor& x) {
    return x.flatten(0, 1).index_select(0, weights.position_N);
  };
  const at::Tensor attention = out_.forward(wanted(attended(x_BLW, mask)));
  const at::Tensor x = at::addcmul(wanted(x_BLW), attention, gamma_1_ * weights.attention_N1);
  return at::addcmul(x, feed_forward(x), gamma_2_ * weights.feed_forward_N1);
}

at::Tensor EncoderLayer::feed_forward(const at::Tensor& x_BLW) const {
  return linear2_.forward(exact_gelu(linear1_.forward(norm2_.forward(x_BLW))));
}

BlockParameters EncoderLayer::parameters() const {
  return {{norm1_.parameters(), {in_weight_, in_bias_}, out_.parameters(), gamma_1_},
          {norm2_.parameters(), linear1_.parameters(), linear2_.parameters(), gamma_2_}};
}

Encoder::Encoder(const Scope& scope, const ModelSize& size, BlockForm form)
    : heads_(size.encoder_heads), form_(form) {
  const Scope layers = scope.within("layers");
  layers_.reserve(static_cast<size_t>(size.encoder_layers));
  for (int64_t i = 0; i < size.encoder_layers; ++i) {
    layers_.emplace_back(layers.within(std::to_string(i)), size);
  }
}

at::Tensor Encoder::run(at::Tensor x_BLW, const at::Tensor& mask, const Stochastic& stochastic,
                        size_t layers) const {
  for (size_t i = 0; i < layers; ++i) {
    const EncoderLayer& layer = layers_[i];
    const auto attention = [&](const at::Tensor& x, const at::Tensor& index) {
      return layer.attention(x, rows_of(mask, index));
    };
    const auto feed_forward = [&](const at::Tensor& x, const at::Tensor&) {
      return layer.feed_forward(x);
    };
    x_BLW = add_branch(x_BLW, layer.attention_scale(), stochastic, 2 * i, attention);
    x_BLW = add_branch(x_BLW, layer.feed_forward_scale(), stochastic, 2 * i + 1, feed_forward);
  }
  return x_BLW;
}

at::Tensor Encoder::forward_packed(const at::Tensor& x_NW, const Sequences& sequences,
                                   const WantedRows& wanted, const Stochastic& stochastic,
                                   bool causal) const {
  StackInput input(x_NW, sequences, heads_, product_type(x_NW));
  input.wanted = wanted;
  input.causal = causal;
  input.recomputes = form_ == BlockForm::recomputed;
  input.drop = {stochastic.survivors, 1 / (1 - stochastic.drop_rate), stochastic.scale_SB};
  std::vector<BlockParameters> blocks;
  blocks.reserve(layers_.size());
  for (const EncoderLayer& layer : layers_) blocks.push_back(layer.parameters());
  return transformer_stack(input, blocks, shadows_);
}

at::Tensor Encoder::forward(const at::Tensor& x_BLW, const at::Tensor& mask,
                            const Stochastic& stochastic) const {
  if (fuses(x_BLW, mask)) {
    const Sequences sequences = Sequences::equal(x_BLW.size(0), x_BLW.size(1));
    return forward_packed(x_BLW.flatten(0, 1), sequences, {}, stochastic).view(x_BLW.sizes());
  }
  return run(x_BLW, mask, stochastic, layers_.size());
}

at::Tensor Encoder::forward_causal(const at::Tensor& x_BLW, const Stochastic& stochastic) const {
  const Sequences sequences = Sequences::equal(x_BLW.size(0), x_BLW.size(1));
  return forward_packed(x_BLW.flatten(0, 1), sequences, {}, stochastic, true).view(x_BLW.sizes());
}

at::Tensor Encoder::forward_rows(const at::Tensor& x_BLW, const at::Tensor& mask,
                                 const Stochastic& stochastic, const at::Tensor& position_N) const {
  if (fuses(x_BLW, mask)) {
    const Sequences sequences = Sequences::equal(x_BLW.size(0), x_BLW.size(1));
    return forward_packed(x_BLW.flatten(0, 1), sequences, {position_N, {}}, stochastic);
  }
  const size_t last = layers_.size() - 1;
  const at::Tensor x = run(x_BLW, mask, stochastic, last);
  const at::Tensor sample_N = position_N.floor_divide(x_BLW.size(1));
  const auto weights = [&](size_t slot) {
    return branch_weights(stochastic, slot, x_BLW).index_select(0, sample_N).unsqueeze(1);
  };
  return layers_[last].rows(x, mask, {position_N, weights(2 * last), weights(2 * last + 1)});
}

}  // namespace medcoss
