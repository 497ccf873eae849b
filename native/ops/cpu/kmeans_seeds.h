// Greedy k-means++ (Arthur and Vassilvitskii, SODA 2007; several candidates per centre, as in
// scikit-learn).
//
// Samples are read once for a pool of candidates that serves several centres. A pool is drawn with
// the distances known at its start; at its turn a candidate is accepted with the probability
// distance now / distance then, which makes it a draw with the distances of now (rejection
// sampling). And a sample meets a candidate only if that can be nearer than its nearest centre: not
// when the two centres are at least twice as far apart (Raff, Exact acceleration of K-Means++,
// IJCAI 2021).
// Shape letters: N samples, K centres, D features, P candidates of a pool.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/cpu/kmeans_problem.h"

namespace medcoss {

/// Start centres [K,D], samples drawn from (seed, restart).
at::Tensor kmeans_seeds(const KmeansProblem& problem, uint64_t seed, uint32_t restart);

}  // namespace medcoss
