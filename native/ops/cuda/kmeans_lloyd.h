// K-means on a GPU: the rules of ops/cpu/kmeans.h, the samples in the GPU's memory or streamed
// through it.
//
// Invariant: the same device repeats a run to the bit; labels are those of float64 distances, as on
// the CPU.
#pragma once

#include "ops/cpu/kmeans.h"
#include "ops/cuda/kmeans_samples.h"

namespace medcoss::cuda {

/// `options` were checked; its samples, on the host, stay as they are.
KmeansResult kmeans(const KmeansOptions& options, const KmeansPlace& place);

}  // namespace medcoss::cuda
