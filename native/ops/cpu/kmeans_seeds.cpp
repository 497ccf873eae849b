#include "ops/cpu/kmeans_seeds.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "support/philox.h"

namespace medcoss {
namespace {

constexpr int64_t block_rows = 4096;

// Uniform in [0,1) with 53 bits: with many samples 24 are too coarse.
double fine_uniform(const Draws& draws, uint32_t index, uint32_t position) {
  const uint64_t high = draws.word(index, 2 * position);
  const uint64_t low = draws.word(index, 2 * position + 1);
  return static_cast<double>((high << 32 | low) >> 11) * 0x1p-53;
}

// Squared distances [N,T] of samples to some of them.
at::Tensor distances_to(const at::Tensor& data_ND, const at::Tensor& norms_N,
                        const std::vector<int64_t>& candidates) {
  const auto trials = static_cast<int64_t>(candidates.size());
  at::Tensor chosen = at::empty({trials, data_ND.size(1)}, at::kFloat);
  at::Tensor chosen_norms = at::empty({trials}, at::kFloat);
  for (int64_t t = 0; t < trials; ++t) {
    const int64_t sample = candidates[static_cast<size_t>(t)];
    chosen.select(0, t).copy_(data_ND.select(0, sample));
    chosen_norms.select(0, t).copy_(norms_N.select(0, sample));
  }
  const at::Tensor products = chosen.t().mul(-2).contiguous();
  at::Tensor result = at::empty({data_ND.size(0), trials}, at::kFloat);
  const int64_t blocks = (data_ND.size(0) + block_rows - 1) / block_rows;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t start = block * block_rows;
      const int64_t rows = std::min(block_rows, data_ND.size(0) - start);
      const at::Tensor out = at::mm(data_ND.narrow(0, start, rows), products);
      const at::Tensor norms = norms_N.narrow(0, start, rows).unsqueeze(1);
      result.narrow(0, start, rows).copy_(out.add_(norms).add_(chosen_norms).clamp_min_(0));
    }
  });
  return result;
}

// What each candidate would leave as the sum of squared distances to the nearest centre.
std::vector<double> potentials(const std::vector<float>& closest, const at::Tensor& distances_NT) {
  const int64_t trials = distances_NT.size(1);
  const auto* distances = distances_NT.data_ptr<float>();
  std::vector<double> sums(static_cast<size_t>(trials));
  for (size_t n = 0; n < closest.size(); ++n) {
    for (int64_t t = 0; t < trials; ++t) {
      const float distance = distances[static_cast<int64_t>(n) * trials + t];
      sums[static_cast<size_t>(t)] += std::min(closest[n], distance);
    }
  }
  return sums;
}

// Samples drawn with probability proportional to `closest`.
std::vector<int64_t> candidates_of(const std::vector<float>& closest, const Draws& draws,
                                   uint32_t centre, int64_t trials) {
  std::vector<double> cumulative(closest.size());
  double total = 0;
  for (size_t n = 0; n < closest.size(); ++n) cumulative[n] = total += closest[n];
  std::vector<int64_t> candidates;
  for (int64_t t = 0; t < trials; ++t) {
    const double target = fine_uniform(draws, centre, static_cast<uint32_t>(t)) * total;
    const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), target);
    const int64_t sample = found - cumulative.begin();
    candidates.push_back(std::min<int64_t>(sample, static_cast<int64_t>(closest.size()) - 1));
  }
  return candidates;
}

}  // namespace

at::Tensor kmeans_seeds(const at::Tensor& data_ND, int64_t clusters, uint64_t seed,
                        uint32_t restart) {
  const Draws draws(seed, 0, restart, Purpose::kmeans);
  const int64_t samples = data_ND.size(0);
  const auto trials = 2 + static_cast<int64_t>(std::log(static_cast<double>(clusters)));
  const at::Tensor norms = data_ND.square().sum(1);
  std::vector<float> closest(static_cast<size_t>(samples), std::numeric_limits<float>::infinity());
  at::Tensor centres = at::empty({clusters, data_ND.size(1)}, at::kFloat);
  for (int64_t c = 0; c < clusters; ++c) {
    const auto index = static_cast<uint32_t>(c);
    const std::vector<int64_t> candidates =
        c == 0 ? std::vector<int64_t>{static_cast<int64_t>(
                     draws.below(static_cast<uint64_t>(samples), 0))}
               : candidates_of(closest, draws, index, trials);
    const at::Tensor distances_NT = distances_to(data_ND, norms, candidates);
    const std::vector<double> sums = potentials(closest, distances_NT);
    const int64_t best = std::min_element(sums.begin(), sums.end()) - sums.begin();
    centres.select(0, c).copy_(data_ND.select(0, candidates[static_cast<size_t>(best)]));
    const auto* distances = distances_NT.data_ptr<float>();
    for (size_t n = 0; n < closest.size(); ++n) {
      const float distance = distances[static_cast<int64_t>(n) * distances_NT.size(1) + best];
      closest[n] = std::min(closest[n], distance);
    }
  }
  return centres;
}

}  // namespace medcoss
