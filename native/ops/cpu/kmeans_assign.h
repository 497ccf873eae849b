// The nearest centre of every sample, with bounds that carry over from one iteration to the next.
//
// A sample keeps an upper bound of the distance to its centre and a lower bound of the distances to
// each group of other centres; both follow the centres' drift, and a group is looked at only when
// its bound falls below the upper one (Hamerly, SDM 2010, with the groups of Ding et al., Yinyang
// K-Means, ICML 2015). Products are float32; their rounding error is part of the bounds, and what
// they leave undecided is decided in float64.
//
// Invariant: labels are those of float64 distances to the float32 centres, the lowest centre where
// two are equal, whatever was left out and whatever the number of threads.
// Shape letters: N samples, K centres, D features, G groups.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "ops/cpu/kmeans_panels.h"
#include "ops/cpu/kmeans_problem.h"

namespace medcoss {

class KmeansAssigner {
 public:
  /// Keeps a reference to the problem.
  KmeansAssigner(const KmeansProblem& problem, const at::Tensor& centres_KD);

  /// Writes the label of every sample; between calls nobody else may change them.
  void assign(const at::Tensor& centres_KD, Labels& labels);

 private:
  class Block;

  /// How far centres moved since the last call, and the largest way in each group.
  void measure_drift(const at::Tensor& centres_KD);

  const KmeansProblem& problem_;
  CentreGroups groups_;
  std::unique_ptr<CentrePanels> panels_;
  at::Tensor centres_KD_;
  std::vector<float> norms_N_;  // squared
  std::vector<float> upper_N_;
  std::vector<float> lower_NG_;
  std::vector<float> drift_K_, drift_G_;
};

}  // namespace medcoss
