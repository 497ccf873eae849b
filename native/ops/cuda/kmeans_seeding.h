// Greedy k-means++ on a GPU: the method and the draws of ops/cpu/kmeans_seeds.h.
//
// Invariant: the same candidates are drawn and taken as on the CPU, unless rounding of float32
// distances decides between them; the same device repeats a run to the bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/cuda/kmeans_samples.h"

namespace medcoss::cuda {

/// Start centres [K,D] on the GPU, samples drawn from (seed, restart).
at::Tensor kmeans_seeds(KmeansSamples& samples, int64_t clusters, uint64_t seed, uint32_t restart);

}  // namespace medcoss::cuda
