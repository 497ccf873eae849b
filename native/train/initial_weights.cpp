#include "train/initial_weights.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "support/formula.h"
#include "support/philox.h"

namespace medcoss {
namespace {

constexpr int64_t grain = 1 << 14;
using Four = std::array<float, 4>;

// In (0,1], so that its logarithm is finite.
float positive(uint32_t word) {
  return static_cast<float>((word >> 8) + 1) * 0x1p-24F;
}

Four uniform_values(const Words& words, float bound) {
  Four values;
  for (size_t i = 0; i < 4; ++i) {
    values[i] = bound * (static_cast<float>(words[i] >> 8) * 0x1p-23F - 1);
  }
  return values;
}

// Two pairs of Box-Muller.
Four normal_values(const Words& words, float deviation) {
  Four values;
  for (size_t i = 0; i < 4; i += 2) {
    const float radius = deviation * std::sqrt(-2 * std::log(positive(words[i])));
    const float angle = 6.28318530717958648F * (static_cast<float>(words[i + 1] >> 8) * 0x1p-24F);
    values[i] = radius * std::cos(angle);
    values[i + 1] = radius * std::sin(angle);
  }
  return values;
}

template <typename Values>
void fill(const at::Tensor& tensor, const Draws& draws, const Values& values) {
  const at::Tensor host = tensor.is_cpu() ? tensor : at::empty(tensor.sizes(), at::kFloat);
  auto* out = host.data_ptr<float>();
  const int64_t count = tensor.numel();
  at::parallel_for(0, (count + 3) / 4, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Four four = values(draws.words(static_cast<uint32_t>(i)));
      std::copy_n(four.begin(), std::min<int64_t>(4, count - 4 * i), out + 4 * i);
    }
  });
  if (!tensor.is_cpu()) tensor.copy_(host);
}

void draw(const Parameter& parameter, const Draws& draws) {
  const auto value = static_cast<float>(parameter.initial.value);
  if (parameter.initial.kind == Initial::Kind::constant || value == 0) {
    parameter.tensor.fill_(value);
  } else if (parameter.initial.kind == Initial::Kind::normal) {
    fill(parameter.tensor, draws, [=](const Words& words) { return normal_values(words, value); });
  } else {
    fill(parameter.tensor, draws, [=](const Words& words) { return uniform_values(words, value); });
  }
}

bool ends_in(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

// Centre and half-width of a parameter under the golden formula.
std::pair<double, double> formula_range(const Parameter& parameter) {
  const auto& [name, tensor, initial, table] = parameter;
  if (ends_in(name, "gamma_1") || ends_in(name, "gamma_2")) return {0.1, 0.05};
  if (tensor.dim() == 1) {
    return ends_in(name, ".weight") ? std::make_pair(1.0, 0.1) : std::make_pair(0.0, 0.02);
  }
  if (table) return {0, 0.02};
  const auto rows = static_cast<double>(tensor.size(0));
  return {0, std::sqrt(6 / (rows + static_cast<double>(tensor.numel()) / rows))};
}

}  // namespace

void draw_initial_weights(const Network& network, uint64_t seed, uint32_t stage) {
  const at::NoGradGuard no_grad;
  const ModelSize& size = network.size();
  std::map<std::string, std::array<int64_t, 3>> fixed;
  if (network.behaviour().sincos_decoder_positions) {
    fixed = {{"decoder_pos_embed_2D", size.image_grid()},
             {"decoder_pos_embed_3D", size.volume_grid()}};
  }
  uint32_t place = 0;
  for (const Parameter& parameter : network.parameters()) {
    const Draws draws(seed, stage, place++, Purpose::initial_weights);
    const auto grid = fixed.find(parameter.name);
    if (grid == fixed.end())
      draw(parameter, draws);
    else
      parameter.tensor.copy_(sincos_positions(grid->second, size.decoder_width));
  }
}

void fill_by_formula(const Network& network, uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : network.parameters()) {
    const auto [offset, scale] = formula_range(parameter);
    fill_by_formula(parameter.tensor, parameter.name, seed, offset, scale);
  }
}

}  // namespace medcoss
