// What the parts of k-means share: the samples, and blocks of them handed out to threads.
//
// Invariant: blocks are the same whatever the number of threads, and results are combined in the
// order of samples.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "ops/cpu/row_products.h"

namespace medcoss {

using Labels = std::vector<int32_t>;

struct KmeansProblem {
  const float* data_ND;        // of mean about zero: short vectors lose fewer digits
  std::vector<double> mean_D;  // what was taken from them
  double variance;             // mean over the features
  int64_t samples, dimensions, clusters;

  const float* row(int64_t i) const { return data_ND + i * dimensions; }
};

inline size_t at_index(int64_t i) {
  return static_cast<size_t>(i);
}

/// |x|^2 of every sample.
inline std::vector<float> squared_norms(const KmeansProblem& problem) {
  const std::vector<float> zero(at_index(problem.dimensions), 0.0F);
  std::vector<float> norms(at_index(problem.samples));
  at::parallel_for(0, problem.samples, 256, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      norms[at_index(n)] =
          static_cast<float>(squared_distance(problem.row(n), zero.data(), problem.dimensions));
    }
  });
  return norms;
}

/// Gives every thread a worker of its own from `make` and calls worker(begin, end, block) for every
/// block of samples. Threads take the next block when they are free, since bounds leave some blocks
/// with less to do.
template <typename Make>
void for_blocks(int64_t samples, int64_t block_rows, const Make& make) {
  const int64_t blocks = (samples + block_rows - 1) / block_rows;
  std::atomic<int64_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    auto worker = make();
    for (int64_t block = next++; block < blocks; block = next++) {
      const int64_t begin = block * block_rows;
      worker(begin, std::min(begin + block_rows, samples), block);
    }
  });
}

}  // namespace medcoss
