#include "ops/cpu/kmeans.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "ops/cpu/kmeans_assign.h"
#include "ops/cpu/kmeans_problem.h"
#include "ops/cpu/kmeans_rules.h"
#include "ops/cpu/kmeans_seeds.h"
#include "ops/cpu/kmeans_sums.h"
#include "support/error.h"

namespace medcoss {
namespace {

struct Run {
  Labels labels;
  at::Tensor centres_KD;
  double inertia = 0;
  int64_t iterations = 0;
};

double squared_shift(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).to(at::kDouble).square().sum().item<double>();
}

Run lloyd(const KmeansProblem& problem, at::Tensor centres_KD, int64_t max_iterations,
          double tolerance) {
  Run run{Labels(at_index(problem.samples), -1), std::move(centres_KD), 0, 0};
  KmeansAssigner assigner(problem, run.centres_KD);
  ClusterSums sums(problem);
  bool settled = false;
  while (run.iterations < max_iterations && !settled) {
    const Labels previous = run.labels;
    assigner.assign(run.centres_KD, run.labels);
    settled = run.labels == previous;
    sums.update(problem, previous, run.labels);
    ClusterSums refilled = sums;
    refilled.refill(problem, run.centres_KD, run.labels);
    at::Tensor moved = refilled.means(problem);
    const double shift = squared_shift(moved, run.centres_KD);
    run.centres_KD = std::move(moved);
    ++run.iterations;
    if (!settled && shift <= tolerance) break;
  }
  if (!settled) assigner.assign(run.centres_KD, run.labels);
  const std::vector<double> distances = own_distances(problem, run.centres_KD, run.labels);
  run.inertia = std::accumulate(distances.begin(), distances.end(), 0.0);
  return run;
}

// Calls visit(n, begin, x) for all samples in order, features shared out among threads.
template <typename Visit>
void in_columns(const at::Tensor& data_ND, const Visit& visit) {
  const int64_t d = data_ND.size(1);
  auto* x = data_ND.data_ptr<float>();
  at::parallel_for(0, d, 16, [&](int64_t begin, int64_t end) {
    for (int64_t n = 0; n < data_ND.size(0); ++n) {
      for (int64_t i = begin; i < end; ++i) visit(at_index(i), x[n * d + i]);
    }
  });
}

// Takes the mean out of the samples, in float64 and in their order; refers to their memory.
KmeansProblem centred(const at::Tensor& data_ND, int64_t clusters) {
  const auto count = static_cast<double>(data_ND.size(0));
  std::vector<double> mean(at_index(data_ND.size(1)));
  std::vector<double> squares(mean.size());
  in_columns(data_ND, [&](size_t i, float& value) { mean[i] += value; });
  for (double& value : mean) value /= count;
  std::vector<double> taken = mean;
  for (double& value : taken) value = short_value(value);
  in_columns(data_ND, [&](size_t i, float& value) {
    const double difference = value - mean[i];
    squares[i] += difference * difference;
    value = static_cast<float>(value - taken[i]);
  });
  const double variance = std::accumulate(squares.begin(), squares.end(), 0.0) / count;
  const auto features = static_cast<double>(mean.size());
  return {data_ND.data_ptr<float>(), taken,           variance / features,
          data_ND.size(0),           data_ND.size(1), clusters};
}

// Centres with `sign` times the mean added.
at::Tensor shifted(const KmeansProblem& problem, const at::Tensor& centres_KD, double sign) {
  at::Tensor result = at::empty_like(centres_KD);
  const auto* from = centres_KD.data_ptr<float>();
  auto* to = result.data_ptr<float>();
  for (int64_t i = 0; i < centres_KD.numel(); ++i) {
    to[i] = static_cast<float>(from[i] + sign * problem.mean_D[at_index(i % problem.dimensions)]);
  }
  return result;
}

// So that squared distances are finite in float32, with as many features as there may be; without
// them no centre would be the nearest.
constexpr float largest_value = 1e16F;

void check_values(const char* argument, const at::Tensor& data) {
  const float* values = data.data_ptr<float>();
  // Not so for NaN.
  const auto usable = [](float x) { return std::abs(x) <= largest_value; };
  std::atomic<bool> all_usable{true};
  at::parallel_for(0, data.numel(), 1 << 20, [&](int64_t begin, int64_t end) {
    if (!std::all_of(values + begin, values + end, usable)) all_usable = false;
  });
  if (!all_usable) refuse(argument, "finite numbers of at most 1e16", "others");
}

}  // namespace

void check_kmeans(const KmeansOptions& options) {
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
  check_values("data", data);
  if (options.centres_KD.defined()) check_values("centres", options.centres_KD.contiguous());
}

KmeansResult kmeans(const KmeansOptions& options) {
  const at::NoGradGuard no_grad;
  check_kmeans(options);
  const KmeansProblem problem = centred(options.data_ND, options.clusters);
  const double tolerance = options.tolerance * problem.variance;
  const bool given = options.centres_KD.defined();
  Run best;
  for (int64_t restart = 0; restart < (given ? 1 : options.restarts); ++restart) {
    at::Tensor start = given ? shifted(problem, options.centres_KD.contiguous(), -1)
                             : kmeans_seeds(problem, options.seed, static_cast<uint32_t>(restart));
    Run run = lloyd(problem, std::move(start), options.max_iterations, tolerance);
    if (restart == 0 || run.inertia < best.inertia) best = std::move(run);
  }
  at::Tensor labels = at::empty({problem.samples}, at::kInt);
  std::copy(best.labels.begin(), best.labels.end(), labels.data_ptr<int32_t>());
  return {labels, shifted(problem, best.centres_KD, 1), best.inertia, best.iterations};
}

}  // namespace medcoss
