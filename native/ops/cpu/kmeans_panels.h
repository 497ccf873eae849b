// Centres arranged for products: sixteen to a panel, panels to groups that share one bound.
//
// Shape letters: K centres, D features, G groups.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace medcoss {

/// Which centres stand together. Fixed for a run, since bounds belong to groups.
class CentreGroups {
 public:
  /// Groups near centres: a group's bound holds for all of its members, so it is only as good as
  /// they are alike (Ding et al., Yinyang K-Means, ICML 2015).
  explicit CentreGroups(const at::Tensor& centres_KD);

  int64_t count() const { return groups_; }
  int64_t panels() const { return static_cast<int64_t>(order_.size()) / 16; }
  int64_t first_panel(int64_t group) const { return group * panels_each_; }
  int64_t last_panel(int64_t group) const;
  /// Centre at a place, -1 where a panel is not full.
  int32_t centre(int64_t place) const { return order_[static_cast<size_t>(place)]; }
  int64_t group_of(int32_t centre) const { return group_K_[static_cast<size_t>(centre)]; }

 private:
  std::vector<int32_t> order_;
  std::vector<int32_t> group_K_;
  int64_t panels_each_, groups_;
};

/// One iteration's centres in panels.
struct CentrePanels {
  std::vector<float> values;  // [panels][D][16]
  std::vector<float> norms;   // [panels][16] squared; infinite where there is no centre
  float largest_norm = 0;     // not squared

  CentrePanels(const CentreGroups& groups, const at::Tensor& centres_KD);
};

}  // namespace medcoss
