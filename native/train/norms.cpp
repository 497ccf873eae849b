#include "train/norms.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

namespace medcoss {
namespace {

constexpr int64_t block = 1 << 16;
constexpr int64_t lanes = 16;

double sum_of_block(const float* x, int64_t count) {
  std::array<double, lanes> sums{};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const double value = x[i + lane];
      sums[static_cast<size_t>(lane)] += value * value;
    }
  }
  for (; i < count; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace

double sum_of_squares(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.cpu().contiguous();
  const auto* x = flat.data_ptr<float>();
  const int64_t count = flat.numel();
  std::vector<double> sums(static_cast<size_t>((count + block - 1) / block));
  at::parallel_for(0, static_cast<int64_t>(sums.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      sums[static_cast<size_t>(i)] =
          sum_of_block(x + i * block, std::min(block, count - i * block));
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double l2_norm(const at::Tensor& tensor) {
  return std::sqrt(sum_of_squares(tensor));
}

}  // namespace medcoss
