#include "ops/cpu/kmeans_panels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mv.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ops/cpu/row_products.h"

namespace medcoss {
namespace {

// So that the bounds of a sample take at most 256 bytes.
constexpr int64_t most_groups = 64;

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Centres in an order in which neighbours are near: the first one left and the fifteen nearest to
// it, until none is left.
std::vector<int32_t> neighbours_together(const at::Tensor& centres_KD) {
  const at::Tensor norms_K = centres_KD.square().sum(1);
  std::vector<int32_t> left(static_cast<size_t>(centres_KD.size(0)));
  std::iota(left.begin(), left.end(), 0);
  std::vector<int32_t> order;
  while (!left.empty()) {
    const at::Tensor far_K = norms_K - centres_KD.mv(centres_KD.select(0, left.front())).mul_(2);
    const float* far = far_K.data_ptr<float>();
    const auto count = std::min<size_t>(panel_width, left.size());
    const int32_t first = left.front();
    const auto nearer = [&](int32_t a, int32_t b) {
      if ((a == first) != (b == first)) return a == first;
      return far[a] != far[b] ? far[a] < far[b] : a < b;
    };
    std::partial_sort(left.begin(), left.begin() + static_cast<int64_t>(count), left.end(), nearer);
    order.insert(order.end(), left.begin(), left.begin() + static_cast<int64_t>(count));
    left.erase(left.begin(), left.begin() + static_cast<int64_t>(count));
    std::sort(left.begin(), left.end());
  }
  return order;
}

}  // namespace

CentreGroups::CentreGroups(const at::Tensor& centres_KD)
    : order_(neighbours_together(centres_KD)), group_K_(order_.size()) {
  const auto clusters = static_cast<int64_t>(order_.size());
  const int64_t panels = divide_up(clusters, panel_width);
  panels_each_ = divide_up(panels, most_groups);
  groups_ = divide_up(panels, panels_each_);
  for (int64_t place = 0; place < clusters; ++place) {
    group_K_[static_cast<size_t>(centre(place))] =
        static_cast<int32_t>(place / panel_width / panels_each_);
  }
  order_.resize(static_cast<size_t>(panels * panel_width), -1);
}

int64_t CentreGroups::last_panel(int64_t group) const {
  return std::min(first_panel(group) + panels_each_, panels());
}

CentrePanels::CentrePanels(const CentreGroups& groups, const at::Tensor& centres_KD)
    : values(static_cast<size_t>(groups.panels() * panel_width * centres_KD.size(1))),
      norms(static_cast<size_t>(groups.panels() * panel_width),
            std::numeric_limits<float>::infinity()) {
  const int64_t d = centres_KD.size(1);
  const auto* centres = centres_KD.data_ptr<float>();
  double largest = 0;
  for (int64_t place = 0; place < groups.panels() * panel_width; ++place) {
    if (groups.centre(place) < 0) continue;
    const float* centre = centres + groups.centre(place) * d;
    float* out = values.data() + place / panel_width * panel_width * d + place % panel_width;
    double norm = 0;
    for (int64_t i = 0; i < d; ++i) {
      out[i * panel_width] = centre[i];
      norm += static_cast<double>(centre[i]) * centre[i];
    }
    norms[static_cast<size_t>(place)] = static_cast<float>(norm);
    largest = std::max(largest, norm);
  }
  largest_norm = static_cast<float>(std::sqrt(largest));
}

}  // namespace medcoss
