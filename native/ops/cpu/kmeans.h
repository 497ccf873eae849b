// Lloyd's k-means with scikit-learn's rules (k-means++, restarts, tolerance, refilled empty
// clusters).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace medcoss {

struct KmeansOptions {
  /// float32, contiguous; the samples are left with their mean taken out.
  at::Tensor data_ND;
  at::Tensor centres_KD;  // float32; undefined: greedy k-means++ from `seed`
  int64_t clusters = 1;
  uint64_t seed = 0;
  int64_t restarts = 10;
  int64_t max_iterations = 300;
  /// Relative to the mean variance of the features.
  double tolerance = 1e-4;
  /// Most bytes of a GPU's memory; 0: four fifths of what is free. No meaning on the CPU.
  int64_t device_memory = 0;
};

struct KmeansResult {
  at::Tensor labels_N;    // int32
  at::Tensor centres_KD;  // float32
  double inertia = 0;
  int64_t iterations = 0;
};

/// Throws E_ARGUMENT for sizes that do not fit, and samples that are not finite.
void check_kmeans(const KmeansOptions& options);

/// Invariant: the result does not depend on the number of threads.
KmeansResult kmeans(const KmeansOptions& options);

}  // namespace medcoss
