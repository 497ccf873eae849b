#include "ops/cpu/kmeans_sums.h"

#include <ATen/ops/empty.h>

#include <numeric>

#include "ops/cpu/row_products.h"

namespace medcoss {
namespace {

constexpr int64_t block_rows = 256;

// Samples that enter (+) or leave (-) each cluster, those of cluster c from starts[c] on,
// ascending.
struct Changes {
  struct Change {
    int64_t sample;
    double sign;
  };
  std::vector<int64_t> starts;
  std::vector<Change> changes;

  Changes(int64_t clusters, const Labels& before, const Labels& now)
      : starts(at_index(clusters) + 1) {
    each(before, now, [&](int32_t cluster, Change) { ++starts[at_index(cluster) + 1]; });
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    changes.resize(at_index(starts.back()));
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    each(before, now, [&](int32_t cluster, Change change) {
      changes[at_index(next[at_index(cluster)]++)] = change;
    });
  }

 private:
  template <typename Visit>
  static void each(const Labels& before, const Labels& now, const Visit& visit) {
    for (size_t n = 0; n < now.size(); ++n) {
      if (before[n] == now[n]) continue;
      if (before[n] >= 0) visit(before[n], {static_cast<int64_t>(n), -1});
      visit(now[n], {static_cast<int64_t>(n), 1});
    }
  }
};

// The `count` samples of largest distance, farthest first.
std::vector<int64_t> farthest(const std::vector<double>& distances, size_t count) {
  std::vector<int64_t> order(distances.size());
  std::iota(order.begin(), order.end(), 0);
  const auto farther = [&](int64_t a, int64_t b) {
    const double da = distances[at_index(a)];
    const double db = distances[at_index(b)];
    return da != db ? da > db : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(count), order.end(),
                    farther);
  order.resize(count);
  return order;
}

}  // namespace

ClusterSums::ClusterSums(const KmeansProblem& problem)
    : sums_KD(at_index(problem.clusters * problem.dimensions)),
      counts_K(at_index(problem.clusters)) {}

void ClusterSums::update(const KmeansProblem& problem, const Labels& before, const Labels& now) {
  const Changes all(problem.clusters, before, now);
  const int64_t d = problem.dimensions;
  at::parallel_for(0, problem.clusters, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      double* sum = sums_KD.data() + c * d;
      for (int64_t i = all.starts[at_index(c)]; i < all.starts[at_index(c) + 1]; ++i) {
        const auto [sample, sign] = all.changes[at_index(i)];
        const float* x = problem.row(sample);
        for (int64_t f = 0; f < d; ++f) sum[f] += sign * x[f];
        counts_K[at_index(c)] += sign > 0 ? 1 : -1;
      }
      // Nothing of what left stays behind as rounding.
      if (counts_K[at_index(c)] == 0) std::fill(sum, sum + d, 0.0);
    }
  });
}

void ClusterSums::refill(const KmeansProblem& problem, const at::Tensor& centres_KD,
                         const Labels& labels) {
  std::vector<int64_t> empty;
  for (int64_t c = 0; c < problem.clusters; ++c) {
    if (counts_K[at_index(c)] == 0) empty.push_back(c);
  }
  if (empty.empty()) return;
  const std::vector<double> distances = own_distances(problem, centres_KD, labels);
  const std::vector<int64_t> order = farthest(distances, empty.size());
  const int64_t d = problem.dimensions;
  for (size_t e = 0; e < empty.size(); ++e) {
    const int64_t sample = order[e];
    const int64_t old = labels[at_index(sample)];
    if (distances[at_index(sample)] == 0) return;
    const float* x = problem.row(sample);
    for (int64_t i = 0; i < d; ++i) {
      sums_KD[at_index(old * d + i)] -= x[i];
      sums_KD[at_index(empty[e] * d + i)] = x[i];
    }
    --counts_K[at_index(old)];
    counts_K[at_index(empty[e])] = 1;
  }
}

at::Tensor ClusterSums::means(const KmeansProblem& problem) const {
  at::Tensor centres = at::empty({problem.clusters, problem.dimensions}, at::kFloat);
  auto* out = centres.data_ptr<float>();
  const int64_t largest = std::max_element(counts_K.begin(), counts_K.end()) - counts_K.begin();
  const int64_t d = problem.dimensions;
  for (int64_t c = 0; c < problem.clusters; ++c) {
    const int64_t from = counts_K[at_index(c)] > 0 ? c : largest;
    const auto count = static_cast<double>(counts_K[at_index(from)]);
    for (int64_t i = 0; i < d; ++i) {
      out[c * d + i] = static_cast<float>(sums_KD[at_index(from * d + i)] / count);
    }
  }
  return centres;
}

std::vector<double> own_distances(const KmeansProblem& problem, const at::Tensor& centres_KD,
                                  const Labels& labels) {
  std::vector<double> distances(labels.size());
  const auto* centres = centres_KD.data_ptr<float>();
  const int64_t d = problem.dimensions;
  at::parallel_for(0, problem.samples, block_rows, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      distances[at_index(n)] =
          squared_distance(problem.row(n), centres + labels[at_index(n)] * d, d);
    }
  });
  return distances;
}

}  // namespace medcoss
