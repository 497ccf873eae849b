#include "ops/cpu/kmeans_assign.h"

#include <cmath>
#include <limits>

#include "ops/cpu/row_products.h"

namespace medcoss {
namespace {

constexpr int64_t block_rows = 256;
constexpr float infinity = std::numeric_limits<float>::infinity();

// Bounds are rounded away from the distance by more than float32 arithmetic can lose.
constexpr float up = 1 + 0x1p-21F;
constexpr float down = 1 - 0x1p-21F;

// Eight standard deviations of the rounding error of a sum of n products, relative to the product
// of the vectors' norms (Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019).
float product_error(int64_t length) {
  const auto chain = static_cast<double>(std::min(length, product_chain));
  const double chains = static_cast<double>(length) / static_cast<double>(product_chain);
  return static_cast<float>(8 * std::sqrt(chain + chains + 2) * 0x1p-24);
}

}  // namespace

// The work on one block of samples. A centre's value is |c|^2 - 2 x.c, the squared distance less
// |x|^2.
class KmeansAssigner::Block {
 public:
  explicit Block(KmeansAssigner& assigner)
      : own_(assigner),
        d_(assigner.problem_.dimensions),
        centres_(assigner.centres_KD_.data_ptr<float>()),
        lists_(at_index(assigner.groups_.count())),
        found_(at_index(block_rows * assigner.groups_.count())),
        products_(at_index(block_rows * panel_width)),
        smallest_(at_index(block_rows)),
        error_factor_(product_error(d_)) {}

  void run(int64_t begin, int64_t end, Labels& labels) {
    begin_ = begin;
    for (auto& list : lists_) list.clear();
    active_.clear();
    for (int64_t n = begin; n < end; ++n) select(n, labels[at_index(n)]);
    for (int64_t group = 0; group < own_.groups_.count(); ++group) look_at(group);
    for (const int64_t n : active_) labels[at_index(n)] = decide(n);
  }

 private:
  const float* row(int64_t n) const { return own_.problem_.row(n); }
  const float* centre(int32_t c) const { return centres_ + c * d_; }
  float* lower(int64_t n) const { return own_.lower_NG_.data() + n * own_.groups_.count(); }
  TwoSmallest& found(int64_t n, int64_t group) {
    return found_[at_index((n - begin_) * own_.groups_.count() + group)];
  }
  float error(int64_t n) const {
    const float norm = own_.norms_N_[at_index(n)];
    const float centre_norm = own_.panels_->largest_norm;
    return 2 * error_factor_ * std::sqrt(norm) * centre_norm +
           0x1p-22F * (norm + centre_norm * centre_norm);
  }

  // Moves the bounds of a sample and notes the groups that may hold a nearer centre.
  void select(int64_t n, int32_t label) {
    const int64_t groups = own_.groups_.count();
    float* bounds = lower(n);
    float nearest = infinity;
    for (int64_t g = 0; g < groups; ++g) {
      bounds[g] = bounds[g] * down - own_.drift_G_[at_index(g)];
      nearest = std::min(nearest, bounds[g]);
    }
    if (label >= 0) {
      float& upper = own_.upper_N_[at_index(n)];
      upper = upper * up + own_.drift_K_[at_index(label)];
      if (upper <= nearest) return;
      upper = static_cast<float>(std::sqrt(squared_distance(row(n), centre(label), d_))) * up;
      if (upper <= nearest) return;
    }
    active_.push_back(n);
    const int64_t home = label >= 0 ? own_.groups_.group_of(label) : 0;
    const float upper = label >= 0 ? own_.upper_N_[at_index(n)] : infinity;
    for (int64_t g = 0; g < groups; ++g) {
      found(n, g) = TwoSmallest();
      if (g == home || bounds[g] < upper) lists_[at_index(g)].push_back(n);
    }
  }

  void look_at(int64_t group) {
    const std::vector<int64_t>& list = lists_[at_index(group)];
    if (list.empty()) return;
    rows_.clear();
    for (const int64_t n : list) rows_.push_back(row(n));
    for (int64_t p = own_.groups_.first_panel(group); p < own_.groups_.last_panel(group); ++p) {
      const float* panel = own_.panels_->values.data() + p * panel_width * d_;
      row_products(rows_.data(), static_cast<int64_t>(list.size()), d_, panel, products_.data());
      two_smallest(products_.data(), static_cast<int64_t>(list.size()),
                   own_.panels_->norms.data() + p * panel_width, smallest_.data());
      for (size_t i = 0; i < list.size(); ++i) {
        smallest_[i].place += static_cast<int32_t>(p * panel_width);
        found(list[i], group).add(smallest_[i]);
      }
    }
  }

  // The label; sets the bounds of the groups that were looked at.
  int32_t decide(int64_t n) {
    const int64_t groups = own_.groups_.count();
    const float margin = error(n);
    TwoSmallest best;
    for (int64_t g = 0; g < groups; ++g) best.add(found(n, g));
    const bool clear = best.second > best.first + 2 * margin;
    const int32_t label =
        clear ? own_.groups_.centre(best.place) : decide_exactly(n, best.first + 2 * margin);
    const float norm = own_.norms_N_[at_index(n)];
    own_.upper_N_[at_index(n)] =
        clear ? std::sqrt(std::max(norm + best.first, 0.0F) + margin) * up
              : static_cast<float>(std::sqrt(squared_distance(row(n), centre(label), d_))) * up;
    float* bounds = lower(n);
    for (int64_t g = 0; g < groups; ++g) {
      const TwoSmallest& two = found(n, g);
      if (two.place < 0) continue;
      const bool own = own_.groups_.centre(two.place) == label;
      bounds[g] = std::sqrt(std::max(norm + (own ? two.second : two.first) - margin, 0.0F)) * down;
    }
    return label;
  }

  int32_t decide_exactly(int64_t n, float limit) {
    int32_t label = -1;
    double smallest = std::numeric_limits<double>::infinity();
    for (int64_t g = 0; g < own_.groups_.count(); ++g) {
      if (found(n, g).first > limit) continue;
      const int64_t last = own_.groups_.last_panel(g) * panel_width;
      // One rival of the group: no need to look at the others.
      const bool one = found(n, g).second > limit;
      int64_t place = one ? found(n, g).place : own_.groups_.first_panel(g) * panel_width;
      for (; place < last; ++place) {
        const int32_t c = own_.groups_.centre(place);
        if (c < 0) break;
        const double distance = squared_distance(row(n), centre(c), d_);
        if (distance < smallest || (distance == smallest && c < label)) {
          smallest = distance;
          label = c;
        }
        if (one) break;
      }
    }
    return label;
  }

  KmeansAssigner& own_;
  int64_t d_;
  const float* centres_;
  int64_t begin_ = 0;
  std::vector<int64_t> active_;
  std::vector<std::vector<int64_t>> lists_;  // [G] samples that look at a group
  std::vector<TwoSmallest> found_;           // [block_rows][G]
  std::vector<const float*> rows_;
  std::vector<float> products_;        // [block_rows, panel_width]
  std::vector<TwoSmallest> smallest_;  // [block_rows]
  float error_factor_;
};

KmeansAssigner::KmeansAssigner(const KmeansProblem& problem, const at::Tensor& centres_KD)
    : problem_(problem),
      groups_(centres_KD),
      norms_N_(squared_norms(problem)),
      upper_N_(at_index(problem.samples), infinity),
      lower_NG_(at_index(problem.samples * groups_.count()), 0.0F),
      drift_K_(at_index(problem.clusters), 0.0F),
      drift_G_(at_index(groups_.count()), 0.0F) {}

void KmeansAssigner::measure_drift(const at::Tensor& centres_KD) {
  std::fill(drift_G_.begin(), drift_G_.end(), 0.0F);
  const int64_t d = problem_.dimensions;
  for (int64_t c = 0; c < problem_.clusters; ++c) {
    const double squared = squared_distance(centres_KD.data_ptr<float>() + c * d,
                                            centres_KD_.data_ptr<float>() + c * d, d);
    drift_K_[at_index(c)] = static_cast<float>(std::sqrt(squared)) * up;
    float& largest = drift_G_[at_index(groups_.group_of(static_cast<int32_t>(c)))];
    largest = std::max(largest, drift_K_[at_index(c)]);
  }
}

void KmeansAssigner::assign(const at::Tensor& centres_KD, Labels& labels) {
  if (centres_KD_.defined()) measure_drift(centres_KD);
  centres_KD_ = centres_KD;
  panels_ = std::make_unique<CentrePanels>(groups_, centres_KD);
  for_blocks(problem_.samples, block_rows, [&] {
    return [&labels, block = Block(*this)](int64_t begin, int64_t end, int64_t) mutable {
      block.run(begin, end, labels);
    };
  });
}

}  // namespace medcoss
