#include "ops/cpu/kmeans.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "ops/cpu/kmeans_seeds.h"
#include "support/error.h"

namespace medcoss {
namespace {

// Rows of samples whose distances are in memory at a time.
constexpr int64_t block_rows = 512;

using Labels = std::vector<int32_t>;

struct Problem {
  at::Tensor data_ND;
  at::Tensor mean_D;  // subtracted before products, which loses fewer digits
  int64_t samples, dimensions, clusters;

  const float* row(int64_t i) const { return data_ND.data_ptr<float>() + i * dimensions; }
};

double squared_distance(const float* a, const float* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return sum;
}

// Nearest centre of every sample: the smallest |c|^2 - 2 x.c, block by block.
void assign(const Problem& problem, const at::Tensor& centres_KD, Labels& labels) {
  const at::Tensor centred = centres_KD - problem.mean_D;
  const at::Tensor norms = centred.square().sum(1);
  const at::Tensor products = centred.t().mul(-2).contiguous();
  const int64_t blocks = (problem.samples + block_rows - 1) / block_rows;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t start = block * block_rows;
      const int64_t rows = std::min(block_rows, problem.samples - start);
      const at::Tensor x = problem.data_ND.narrow(0, start, rows) - problem.mean_D;
      const at::Tensor nearest = at::mm(x, products).add_(norms).argmin(1);
      const auto* index = nearest.data_ptr<int64_t>();
      for (int64_t i = 0; i < rows; ++i) {
        labels[static_cast<size_t>(start + i)] = static_cast<int32_t>(index[i]);
      }
    }
  });
}

// Samples of each cluster in ascending order: those of cluster c are members[starts[c]] to
// members[starts[c + 1] - 1].
struct Members {
  std::vector<int64_t> starts, members;

  Members(const Labels& labels, int64_t clusters)
      : starts(static_cast<size_t>(clusters) + 1), members(labels.size()) {
    for (const int32_t label : labels) ++starts[static_cast<size_t>(label) + 1];
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    for (size_t i = 0; i < labels.size(); ++i) {
      members[static_cast<size_t>(next[static_cast<size_t>(labels[i])]++)] =
          static_cast<int64_t>(i);
    }
  }
};

struct Sums {
  std::vector<double> sums_KD;
  std::vector<int64_t> counts_K;
};

Sums cluster_sums(const Problem& problem, const Labels& labels) {
  const Members members(labels, problem.clusters);
  const int64_t d = problem.dimensions;
  Sums result{std::vector<double>(static_cast<size_t>(problem.clusters * d)),
              std::vector<int64_t>(static_cast<size_t>(problem.clusters))};
  at::parallel_for(0, problem.clusters, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const int64_t first = members.starts[static_cast<size_t>(c)];
      const int64_t last = members.starts[static_cast<size_t>(c) + 1];
      double* sum = result.sums_KD.data() + c * d;
      result.counts_K[static_cast<size_t>(c)] = last - first;
      for (int64_t m = first; m < last; ++m) {
        const float* x = problem.row(members.members[static_cast<size_t>(m)]);
        for (int64_t i = 0; i < d; ++i) sum[i] += x[i];
      }
    }
  });
  return result;
}

std::vector<double> own_distances(const Problem& problem, const at::Tensor& centres_KD,
                                  const Labels& labels) {
  std::vector<double> distances(labels.size());
  const auto* centres = centres_KD.data_ptr<float>();
  at::parallel_for(0, problem.samples, block_rows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<size_t>(i);
      const float* centre = centres + labels[at] * problem.dimensions;
      distances[at] = squared_distance(problem.row(i), centre, problem.dimensions);
    }
  });
  return distances;
}

// As scikit-learn does it: the samples farthest from their own centres become the centres of empty
// clusters and leave the sums of their old ones.
void refill(const Problem& problem, const at::Tensor& centres_KD, const Labels& labels,
            Sums& sums) {
  std::vector<int64_t> empty;
  for (int64_t c = 0; c < problem.clusters; ++c) {
    if (sums.counts_K[static_cast<size_t>(c)] == 0) empty.push_back(c);
  }
  if (empty.empty()) return;
  const std::vector<double> distances = own_distances(problem, centres_KD, labels);
  std::vector<int64_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0);
  const auto farther = [&](int64_t a, int64_t b) {
    const double da = distances[static_cast<size_t>(a)];
    const double db = distances[static_cast<size_t>(b)];
    return da != db ? da > db : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(empty.size()), order.end(),
                    farther);
  const int64_t d = problem.dimensions;
  for (size_t e = 0; e < empty.size(); ++e) {
    const int64_t sample = order[e];
    const int64_t old = labels[static_cast<size_t>(sample)];
    if (distances[static_cast<size_t>(sample)] == 0) return;
    const float* x = problem.row(sample);
    for (int64_t i = 0; i < d; ++i) {
      sums.sums_KD[static_cast<size_t>(old * d + i)] -= x[i];
      sums.sums_KD[static_cast<size_t>(empty[e] * d + i)] = x[i];
    }
    --sums.counts_K[static_cast<size_t>(old)];
    sums.counts_K[static_cast<size_t>(empty[e])] = 1;
  }
}

// Means of the clusters; one still empty is put where the largest is.
at::Tensor means(const Problem& problem, const Sums& sums) {
  at::Tensor centres = at::empty({problem.clusters, problem.dimensions}, at::kFloat);
  auto* out = centres.data_ptr<float>();
  const auto& counts = sums.counts_K;
  const int64_t largest = std::max_element(counts.begin(), counts.end()) - counts.begin();
  const int64_t d = problem.dimensions;
  for (int64_t c = 0; c < problem.clusters; ++c) {
    const int64_t from = counts[static_cast<size_t>(c)] > 0 ? c : largest;
    const auto count = static_cast<double>(counts[static_cast<size_t>(from)]);
    for (int64_t i = 0; i < d; ++i) {
      out[c * d + i] = static_cast<float>(sums.sums_KD[static_cast<size_t>(from * d + i)] / count);
    }
  }
  return centres;
}

struct Run {
  Labels labels;
  at::Tensor centres_KD;
  double inertia = 0;
  int64_t iterations = 0;
};

Run lloyd(const Problem& problem, at::Tensor centres_KD, int64_t max_iterations, double tolerance) {
  Run run{Labels(static_cast<size_t>(problem.samples), -1), std::move(centres_KD), 0, 0};
  Labels previous = run.labels;
  bool settled = false;
  while (run.iterations < max_iterations && !settled) {
    assign(problem, run.centres_KD, run.labels);
    Sums sums = cluster_sums(problem, run.labels);
    refill(problem, run.centres_KD, run.labels, sums);
    at::Tensor moved = means(problem, sums);
    const double shift = (moved - run.centres_KD).to(at::kDouble).square().sum().item<double>();
    run.centres_KD = std::move(moved);
    ++run.iterations;
    settled = run.labels == previous;
    if (!settled && shift <= tolerance) break;
    previous = run.labels;
  }
  if (!settled) assign(problem, run.centres_KD, run.labels);
  const std::vector<double> distances = own_distances(problem, run.centres_KD, run.labels);
  run.inertia = std::accumulate(distances.begin(), distances.end(), 0.0);
  return run;
}

struct Moments {
  at::Tensor mean_D;     // float32
  double variance_mean;  // over the features
};

// In float64, rows in order.
Moments moments_of(const at::Tensor& data_ND) {
  const int64_t samples = data_ND.size(0);
  const int64_t d = data_ND.size(1);
  std::vector<double> sum(static_cast<size_t>(d));
  std::vector<double> squares(static_cast<size_t>(d));
  const auto* x = data_ND.data_ptr<float>();
  const auto count = static_cast<double>(samples);
  at::parallel_for(0, d, 16, [&](int64_t begin, int64_t end) {
    const auto pass = [&](const auto& add) {
      for (int64_t n = 0; n < samples; ++n) {
        for (int64_t i = begin; i < end; ++i) add(static_cast<size_t>(i), x[n * d + i]);
      }
    };
    pass([&](size_t i, double value) { sum[i] += value; });
    for (int64_t i = begin; i < end; ++i) sum[static_cast<size_t>(i)] /= count;
    pass([&](size_t i, double value) { squares[i] += (value - sum[i]) * (value - sum[i]); });
  });
  at::Tensor mean = at::empty({d}, at::kFloat);
  std::copy(sum.begin(), sum.end(), mean.data_ptr<float>());
  const double variance = std::accumulate(squares.begin(), squares.end(), 0.0);
  return {mean, variance / count / static_cast<double>(d)};
}

void check(const KmeansOptions& options) {
  const at::Tensor& data = options.data_ND;
  if (data.dim() != 2 || data.size(0) < 1 || data.size(1) < 1)
    refuse("data", "[N,d]", "another shape");
  if (options.clusters < 1 || options.clusters > data.size(0)) {
    refuse("clusters", "1 to " + std::to_string(data.size(0)), std::to_string(options.clusters));
  }
  if (options.max_iterations < 1) refuse("maxIterations", "at least 1", "less");
  if (!options.centres_KD.defined() && options.restarts < 1)
    refuse("restarts", "at least 1", "less");
  const bool fits = !options.centres_KD.defined() ||
                    options.centres_KD.sizes() == at::IntArrayRef{options.clusters, data.size(1)};
  if (!fits) refuse("centres", "[clusters,d]", "another shape");
  if (!data.isfinite().all().item<bool>()) refuse("data", "finite numbers", "others");
}

}  // namespace

KmeansResult kmeans(const KmeansOptions& options) {
  const at::NoGradGuard no_grad;
  check(options);
  const at::Tensor data = options.data_ND.contiguous();
  const Moments moments = moments_of(data);
  const Problem problem{data, moments.mean_D, data.size(0), data.size(1), options.clusters};
  const double tolerance = options.tolerance * moments.variance_mean;
  const bool given = options.centres_KD.defined();
  Run best;
  for (int64_t restart = 0; restart < (given ? 1 : options.restarts); ++restart) {
    at::Tensor start =
        given ? options.centres_KD.contiguous()
              : kmeans_seeds(data, options.clusters, options.seed, static_cast<uint32_t>(restart));
    Run run = lloyd(problem, std::move(start), options.max_iterations, tolerance);
    if (restart == 0 || run.inertia < best.inertia) best = std::move(run);
  }
  at::Tensor labels = at::empty({problem.samples}, at::kInt);
  std::copy(best.labels.begin(), best.labels.end(), labels.data_ptr<int32_t>());
  return {labels, best.centres_KD, best.inertia, best.iterations};
}

}  // namespace medcoss
