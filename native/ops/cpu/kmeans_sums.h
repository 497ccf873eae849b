// Sums of the samples of each cluster, kept up to date by those that change their cluster.
//
// Invariant: float64, every cluster's samples in ascending order, so that threads do not matter.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/cpu/kmeans_problem.h"

namespace medcoss {

struct ClusterSums {
  std::vector<double> sums_KD;
  std::vector<int64_t> counts_K;

  explicit ClusterSums(const KmeansProblem& problem);

  /// Follows the change of labels; `before` -1: the sample was in no cluster.
  void update(const KmeansProblem& problem, const Labels& before, const Labels& now);

  /// As scikit-learn does it: the samples farthest from their own centres become the centres of
  /// empty clusters and leave the sums of their old ones.
  void refill(const KmeansProblem& problem, const at::Tensor& centres_KD, const Labels& labels);

  /// Means of the clusters; one still empty is put where the largest is.
  at::Tensor means(const KmeansProblem& problem) const;
};

/// Squared distance of each sample to its centre, float64.
std::vector<double> own_distances(const KmeansProblem& problem, const at::Tensor& centres_KD,
                                  const Labels& labels);

}  // namespace medcoss
