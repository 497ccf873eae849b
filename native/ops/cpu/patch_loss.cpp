#include "ops/cpu/patch_loss.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "ops/cpu/row_kernels.h"

namespace medcoss::cpu {
namespace {

constexpr int64_t lanes = 16;

template <typename T>
struct PatchLossRows {
  const T* predicted;
  const float* patches;
  const int64_t* removed;
  int64_t removed_each, patches_each, values;
  float factor;  // of a difference, to its part of the gradient
  T* gradient;
  double* shares;  // one per row: its sum of squares
};

// Lanes, so that the compiler may use vectors.
template <typename Term>
MEDCOSS_ROWS float sum_of(int64_t count, const Term& term) {
  float sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += term(i + lane);
  }
  for (; i < count; ++i) sums[i % lanes] += term(i);
  float sum = 0;
  for (const float each : sums) sum += each;
  return sum;
}

template <typename T>
MEDCOSS_ROWS void rows(const PatchLossRows<T>& a, int64_t begin, int64_t end) {
  const int64_t n = a.values;
  const auto count = static_cast<float>(n);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t place = row / a.removed_each * a.patches_each + a.removed[row];
    const float* patch = a.patches + place * n;
    const T* predicted = a.predicted + row * n;
    T* gradient = a.gradient + row * n;
    const float mean = sum_of(n, [&](int64_t i) { return patch[i]; }) / count;
    const float variance = sum_of(n,
                                  [&](int64_t i) {
                                    const float d = patch[i] - mean;
                                    return d * d;
                                  }) /
                           (count - 1);
    const float scale = 1 / std::sqrt(variance + 1e-6F);
    a.shares[row] = sum_of(n, [&](int64_t i) {
      const float d = load(predicted + i) - (patch[i] - mean) * scale;
      store(a.factor * d, gradient + i);
      return d * d;
    });
  }
}

template <typename T>
PatchLoss run(const at::Tensor& predicted, const at::Tensor& patches, const at::Tensor& removed) {
  const int64_t count = removed.numel();
  const auto elements = static_cast<double>(predicted.numel());
  PatchLoss out{{}, at::empty_like(predicted)};
  std::vector<double> shares(static_cast<size_t>(count));
  const PatchLossRows<T> arguments{static_cast<const T*>(predicted.const_data_ptr()),
                                   patches.const_data_ptr<float>(),
                                   removed.const_data_ptr<int64_t>(),
                                   removed.size(1),
                                   patches.size(1),
                                   patches.size(2),
                                   static_cast<float>(2 / elements),
                                   static_cast<T*>(out.gradient_BRV.mutable_data_ptr()),
                                   shares.data()};
  const auto kernel = row_kernel<PatchLossRows<T>>();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) { kernel(arguments, begin, end); });
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  out.loss = at::scalar_tensor(sum / elements, at::kFloat);
  return out;
}

}  // namespace

PatchLoss patch_loss(const at::Tensor& predicted_BRV, const at::Tensor& patches_BLV,
                     const at::Tensor& removed_BR) {
  return predicted_BRV.scalar_type() == at::kBFloat16
             ? run<Bf16>(predicted_BRV, patches_BLV, removed_BR)
             : run<float>(predicted_BRV, patches_BLV, removed_BR);
}

}  // namespace medcoss::cpu
