// Greedy k-means++ (Arthur and Vassilvitskii, SODA 2007; several candidates per centre, as in
// scikit-learn).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace medcoss {

/// Start centres [K,d] from samples [N,d], drawn from (seed, restart).
at::Tensor kmeans_seeds(const at::Tensor& data_ND, int64_t clusters, uint64_t seed,
                        uint32_t restart);

}  // namespace medcoss
