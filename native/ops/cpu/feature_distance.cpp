#include "ops/cpu/feature_distance.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "ops/cpu/row_products.h"

namespace medcoss {
namespace {

constexpr int64_t block_rows = 16;

bool counts(const FeaturePair& pair, int64_t row) {
  return pair.real == nullptr || pair.real[row];
}

}  // namespace

double squared_difference(const FeaturePair& pair) {
  const int64_t blocks = (pair.rows + block_rows - 1) / block_rows;
  std::vector<double> sums(static_cast<size_t>(blocks));
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * block_rows; row < std::min(end * block_rows, pair.rows); ++row) {
      if (!counts(pair, row)) continue;
      const int64_t at = row * pair.width;
      sums[static_cast<size_t>(row / block_rows)] +=
          squared_distance(pair.student + at, pair.teacher + at, pair.width);
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void scaled_difference(const FeaturePair& pair, float factor, float* out) {
  at::parallel_for(0, pair.rows, block_rows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* s = pair.student + row * pair.width;
      const float* t = pair.teacher + row * pair.width;
      float* gradient = out + row * pair.width;
      if (counts(pair, row)) {
        for (int64_t i = 0; i < pair.width; ++i) gradient[i] = factor * (s[i] - t[i]);
      } else {
        std::fill_n(gradient, pair.width, 0.0F);
      }
    }
  });
}

}  // namespace medcoss
