#include "train/draws.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "support/error.h"

namespace medcoss {
namespace {

constexpr uint64_t temporal_rows = 8;

void require_shape(const char* name, const at::Tensor& tensor, at::IntArrayRef shape) {
  if (tensor.sizes() == shape) return;
  std::ostringstream expected;
  std::ostringstream received;
  expected << "shape " << shape;
  received << "shape " << tensor.sizes();
  refuse(name, expected.str(), received.str());
}

}  // namespace

StepDraws::StepDraws(uint64_t seed, StepKey key, Injected injected)
    : seed_(seed), key_(key), injected_(std::move(injected)) {}

at::Tensor StepDraws::noise(int64_t batch, int64_t patches) const {
  if (injected_.noise.defined()) {
    require_shape("noise", injected_.noise, {batch, patches});
    return injected_.noise;
  }
  const Draws source = draws(Purpose::patch_mask);
  at::Tensor noise = at::empty({batch, patches}, at::kDouble);
  auto* out = noise.data_ptr<double>();
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t i = 0; i < patches; ++i) {
      *out++ = source.word(static_cast<uint32_t>(b), static_cast<uint32_t>(i)) * 0x1p-32;
    }
  }
  return noise;
}

Stochastic StepDraws::training(Network network, const Behaviour& behaviour, int64_t layers,
                               int64_t batch, bool fixed_shapes) const {
  const bool student = network == Network::student;
  Stochastic result;
  if (behaviour.random_temporal_position) {
    const Draws source =
        draws(student ? Purpose::temporal_position : Purpose::teacher_temporal_position);
    const auto row = static_cast<int64_t>(source.below(temporal_rows, 0));
    result.frame_1 = at::full({1}, row, at::kLong);
  }
  if (behaviour.drop_path == 0) return result;
  const Draws source = draws(student ? Purpose::drop_path : Purpose::teacher_drop_path);
  result.drop_rate = behaviour.drop_path;
  result.scale_SB = at::empty({2 * layers, batch}, at::kFloat);
  auto* scale = result.scale_SB.data_ptr<float>();
  if (!fixed_shapes) result.survivors.resize(static_cast<size_t>(2 * layers));
  for (uint32_t slot = 0; slot < 2 * layers; ++slot) {
    for (int64_t b = 0; b < batch; ++b) {
      const bool keeps = source.uniform(static_cast<uint32_t>(b), slot) >= behaviour.drop_path;
      *scale++ = keeps ? static_cast<float>(1 / (1 - behaviour.drop_path)) : 0;
      if (keeps && !fixed_shapes) result.survivors[slot].push_back(b);
    }
  }
  return result;
}

at::Tensor StepDraws::partner(int64_t batch) const {
  if (injected_.partner.defined()) {
    require_shape("partner", injected_.partner, {batch});
    return injected_.partner.to(at::kLong);
  }
  const Draws source = draws(Purpose::mixup_partner);
  at::Tensor partner = at::empty({batch}, at::kLong);
  auto* out = partner.data_ptr<int64_t>();
  std::iota(out, out + batch, 0);
  std::sort(out, out + batch, [&](int64_t a, int64_t b) {
    return std::make_pair(source.word(static_cast<uint32_t>(a)), a) <
           std::make_pair(source.word(static_cast<uint32_t>(b)), b);
  });
  return partner;
}

at::Tensor StepDraws::lambda(int64_t batch) const {
  if (injected_.lambda.defined()) {
    require_shape("lambda", injected_.lambda, {batch});
    return injected_.lambda;
  }
  const Draws source = draws(Purpose::mixup_weight);
  at::Tensor lambda = at::empty({batch}, at::kFloat);
  auto* out = lambda.data_ptr<float>();
  for (int64_t b = 0; b < batch; ++b) out[b] = source.uniform(static_cast<uint32_t>(b));
  return lambda;
}

at::Tensor StepDraws::keep(int64_t batch, int64_t length) const {
  if (injected_.keep.defined()) {
    require_shape("keep", injected_.keep, {batch, length});
    return injected_.keep.ne(0);
  }
  const Draws source = draws(Purpose::mixup_weight);
  const float ratio = source.uniform(0);
  at::Tensor keep = at::empty({batch, length}, at::kBool);
  auto* out = keep.data_ptr<bool>();
  for (int64_t b = 0; b < batch; ++b) {
    // Index 0 holds the ratio.
    const auto index = static_cast<uint32_t>(b + 1);
    for (uint32_t i = 0; i < length; ++i) *out++ = source.uniform(index, i) < ratio;
  }
  return keep;
}

}  // namespace medcoss
