#include "support/formula.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

namespace medcoss {
namespace {

constexpr int64_t grain = 1 << 16;

uint64_t fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

uint64_t stream_start(const std::string& name, uint64_t seed) {
  return fnv1a(name) + seed * 0x632be59bd9b4e019 + 0x9e3779b97f4a7c15;
}

// The finaliser of splitmix64 as a float64 in [0,1).
double number(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

}  // namespace

void formula(const std::string& name, int64_t count, uint64_t seed, double* out) {
  const uint64_t start = stream_start(name, seed);
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = number(start + static_cast<uint64_t>(i));
  });
}

void fill_by_formula(const at::Tensor& tensor, const std::string& name, uint64_t seed,
                     double offset, double scale) {
  const uint64_t start = stream_start(name, seed);
  const at::Tensor host = tensor.is_cpu() ? tensor : at::empty(tensor.sizes(), at::kFloat);
  auto* out = host.data_ptr<float>();
  at::parallel_for(0, tensor.numel(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double u = number(start + static_cast<uint64_t>(i));
      out[i] = static_cast<float>(offset + scale * (2 * u - 1));
    }
  });
  if (!tensor.is_cpu()) tensor.copy_(host);
}

}  // namespace medcoss
