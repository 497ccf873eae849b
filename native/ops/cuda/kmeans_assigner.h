// The nearest centre of every sample of a chunk, on a GPU.
//
// Products of float16 values decide most; of the rest float64 distances to the centres that are
// still possible. Where the rest is large, products of values in two float16 parts come between.
// Invariant: labels are those of float64 distances to the float32 centres (see kmeans_decide.cu).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/cuda/kmeans_samples.h"

namespace medcoss::cuda {

class KmeansAssigner {
 public:
  KmeansAssigner(const KmeansSamples& samples, int64_t clusters);

  /// What is kept on the GPU for each sample of a chunk.
  static int64_t row_bytes(int64_t clusters);

  void set_centres(const at::Tensor& centres_KD);
  /// Writes the labels of a chunk, int32 [N]; sets `changed` to 1 where one changes.
  void assign(const KmeansChunk& chunk, const at::Tensor& labels_N, const at::Tensor& changed);

 private:
  void find(const KmeansChunk& chunk, bool exact);
  void decide(const KmeansChunk& chunk, bool exact, const at::Tensor& labels_N,
              const at::Tensor& changed);
  void decide_rest(const KmeansChunk& chunk, bool exact, const at::Tensor& labels_N,
                   const at::Tensor& changed);
  ProductError error(const KmeansChunk& chunk, bool exact) const;
  int32_t* list(int64_t pass, int64_t part) const;
  int32_t* listed(int64_t pass) const;

  const KmeansSamples& samples_;
  int64_t clusters_, padded_clusters_;
  CentreSplits splits_;
  SplitTensor centres_;
  at::Tensor largest_, values_K_;
  at::Tensor found_SN3_;  // Nearest
  at::Tensor lists_22N_;  // after each of two passes: rows, and where they stand in found_SN3_
  at::Tensor listed_2_;   // their numbers
};

}  // namespace medcoss::cuda
