#include "ops/cpu/kmeans_seeds.h"

#include <ATen/ops/empty.h>

#include <array>
#include <limits>
#include <vector>

#include "ops/cpu/kmeans_rules.h"
#include "ops/cpu/row_products.h"

namespace medcoss {
namespace {

constexpr int64_t block_rows = 128;
constexpr int64_t sum_rows = 4096;
constexpr float infinity = std::numeric_limits<float>::infinity();

class Seeding {
 public:
  Seeding(const KmeansProblem& problem, const Draws& draws)
      : problem_(problem),
        draws_(draws),
        closest_N_(at_index(problem.samples), infinity),
        nearest_N_(at_index(problem.samples), 0),
        norms_N_(squared_norms(problem)) {}

  void first() {
    pool_ = {static_cast<int64_t>(draws_.below(static_cast<uint64_t>(problem_.samples), 0))};
    fill_pool();
    take(0);
  }

  /// Adds, out of so many candidates, the one that lowers the sum of squared distances most.
  void add(int64_t trials) {
    std::vector<int64_t> candidates = accepted(trials);
    if (candidates.empty()) {
      draw_pool();
      candidates = accepted(trials);
    }
    take(best_of(candidates));
  }

  at::Tensor centres() const {
    const int64_t d = problem_.dimensions;
    at::Tensor result = at::empty({static_cast<int64_t>(chosen_.size()), d}, at::kFloat);
    auto* out = result.data_ptr<float>();
    for (const int64_t n : chosen_) out = std::copy_n(problem_.row(n), d, out);
    return result;
  }

 private:
  const float* column(int64_t p) const { return distances_PN_.data() + p * problem_.samples; }

  // Samples drawn with probability proportional to the squared distance to the nearest centre.
  void draw_pool() {
    std::vector<double> cumulative(closest_N_.size());
    double total = 0;
    for (size_t n = 0; n < closest_N_.size(); ++n) cumulative[n] = total += closest_N_[n];
    pool_.resize(at_index(seed_pool_size(static_cast<int64_t>(chosen_.size()))));
    ++pools_;
    for (size_t p = 0; p < pool_.size(); ++p) {
      const double target = fine_uniform(draws_, pools_, static_cast<uint32_t>(2 * p)) * total;
      const auto place = std::upper_bound(cumulative.begin(), cumulative.end(), target);
      pool_[p] = std::min<int64_t>(place - cumulative.begin(), problem_.samples - 1);
    }
    then_P_.clear();
    for (const int64_t n : pool_) then_P_.push_back(closest_N_[at_index(n)]);
    used_ = 0;
    fill_pool();
  }

  // The next `trials` candidates that are not refused; none where the pool holds too few. A new
  // pool refuses none, because its distances are those of now.
  std::vector<int64_t> accepted(int64_t trials) {
    std::vector<int64_t> found;
    while (used_ < then_P_.size() && static_cast<int64_t>(found.size()) < trials) {
      const size_t p = used_++;
      const double chance = fine_uniform(draws_, pools_, static_cast<uint32_t>(2 * p + 1));
      const float now = closest_N_[at_index(pool_[p])];
      if (chance * then_P_[p] <= now) found.push_back(static_cast<int64_t>(p));
    }
    if (static_cast<int64_t>(found.size()) < trials) found.clear();
    return found;
  }

  void fill_pool() {
    const auto panels = (static_cast<int64_t>(pool_.size()) + panel_width - 1) / panel_width;
    distances_PN_.resize(at_index(panels * panel_width * problem_.samples));
    for (int64_t panel = 0; panel < panels; ++panel) pack(panel);
    for_blocks(problem_.samples, block_rows, [&] {
      return [this, panels, rows = std::vector<const float*>(), listed = std::vector<int64_t>(),
              products = std::vector<float>(at_index(block_rows * panel_width))](
                 int64_t begin, int64_t end, int64_t) mutable {
        for (int64_t panel = 0; panel < panels; ++panel) {
          list(begin, end, panels_[at_index(panel)].reach_K, rows, listed);
          const auto count = static_cast<int64_t>(rows.size());
          const float* values = panels_[at_index(panel)].values.data();
          row_products(rows.data(), count, problem_.dimensions, values, products.data());
          write(begin, end, panel, listed, products.data());
        }
      };
    });
  }

  // Sixteen candidates, and for each centre the squared distance of its samples from which on one
  // of the candidates can be nearer.
  struct Panel {
    std::vector<float> values, reach_K;
    std::array<float, panel_width> norms;
  };

  void pack(int64_t number) {
    if (at_index(number) == panels_.size()) panels_.emplace_back();
    Panel& panel = panels_[at_index(number)];
    const int64_t d = problem_.dimensions;
    panel.values.assign(at_index(d * panel_width), 0.0F);
    panel.norms.fill(infinity);
    for (int64_t v = 0; v < panel_width; ++v) {
      const size_t p = at_index(number * panel_width + v);
      if (p >= pool_.size()) break;
      const float* x = problem_.row(pool_[p]);
      for (int64_t i = 0; i < d; ++i) panel.values[at_index(i * panel_width + v)] = x[i];
      panel.norms[at_index(v)] = norms_N_[at_index(pool_[p])];
    }
    std::vector<const float*> rows;
    for (const int64_t n : chosen_) rows.push_back(problem_.row(n));
    std::vector<float> products(rows.size() * at_index(panel_width));
    row_products(rows.data(), static_cast<int64_t>(rows.size()), d, panel.values.data(),
                 products.data());
    // Before the first centre every sample is listed, its distance being infinite.
    panel.reach_K.assign(rows.size() + 1, 0.0F);
    for (size_t c = 0; c < rows.size(); ++c) {
      float nearest = infinity;
      for (size_t v = 0; v < at_index(panel_width); ++v) {
        const float product = products[c * at_index(panel_width) + v];
        nearest = std::min(nearest, norms_N_[at_index(chosen_[c])] + panel.norms[v] - 2 * product);
      }
      // A quarter, less what rounding may have added.
      panel.reach_K[c] = 0.2499F * nearest;
    }
  }

  void list(int64_t begin, int64_t end, const std::vector<float>& reach_K,
            std::vector<const float*>& rows, std::vector<int64_t>& listed) const {
    rows.clear();
    listed.clear();
    for (int64_t n = begin; n < end; ++n) {
      if (closest_N_[at_index(n)] <= reach_K[at_index(nearest_N_[at_index(n)])]) continue;
      listed.push_back(n);
      rows.push_back(problem_.row(n));
    }
  }

  void write(int64_t begin, int64_t end, int64_t panel, const std::vector<int64_t>& listed,
             const float* products) {
    const auto& norms = panels_[at_index(panel)].norms;
    for (int64_t v = 0; v < panel_width; ++v) {
      float* out = distances_PN_.data() + (panel * panel_width + v) * problem_.samples;
      if (static_cast<int64_t>(listed.size()) < end - begin) {
        std::fill(out + begin, out + end, infinity);
      }
      for (size_t i = 0; i < listed.size(); ++i) {
        const float product = products[i * at_index(panel_width) + at_index(v)];
        const float norm = norms_N_[at_index(listed[i])] + norms[at_index(v)];
        out[listed[i]] = std::max(norm - 2 * product, 0.0F);
      }
    }
  }

  int64_t best_of(const std::vector<int64_t>& candidates) const {
    std::vector<double> gains(candidates.size());
    const size_t parts = at_index((problem_.samples + sum_rows - 1) / sum_rows);
    std::vector<double> part_gains(parts * candidates.size());
    for_blocks(problem_.samples, sum_rows, [&] {
      return [&](int64_t begin, int64_t end, int64_t part) {
        for (size_t t = 0; t < candidates.size(); ++t) {
          const float* distances = column(candidates[t]);
          double& gain = part_gains[at_index(part) * candidates.size() + t];
          gain = gain_of(closest_N_.data() + begin, distances + begin, end - begin);
        }
      };
    });
    for (size_t i = 0; i < part_gains.size(); ++i) gains[i % gains.size()] += part_gains[i];
    return candidates[at_index(std::max_element(gains.begin(), gains.end()) - gains.begin())];
  }

  static double gain_of(const float* closest, const float* distances, int64_t count) {
    std::array<double, 4> sums{};
    for (int64_t i = 0; i < count; ++i) {
      sums[at_index(i & 3)] += std::max(closest[i] - distances[i], 0.0F);
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  void take(int64_t p) {
    const auto centre = static_cast<int32_t>(chosen_.size());
    const float* distances = column(p);
    for (size_t n = 0; n < closest_N_.size(); ++n) {
      if (distances[n] >= closest_N_[n]) continue;
      closest_N_[n] = distances[n];
      nearest_N_[n] = centre;
    }
    chosen_.push_back(pool_[at_index(p)]);
    closest_N_[at_index(chosen_.back())] = 0;
  }

  const KmeansProblem& problem_;
  const Draws& draws_;
  std::vector<int64_t> chosen_;
  std::vector<float> closest_N_;    // squared distance to the nearest centre
  std::vector<int32_t> nearest_N_;  // that centre
  std::vector<float> norms_N_;      // squared
  std::vector<int64_t> pool_;
  std::vector<float> then_P_;  // squared distances of the pool when it was drawn
  size_t used_ = 0;
  uint32_t pools_ = 0;
  std::vector<Panel> panels_;
  // Squared distances; infinite where that is no smaller than what the sample has.
  std::vector<float> distances_PN_;
};

}  // namespace

at::Tensor kmeans_seeds(const KmeansProblem& problem, uint64_t seed, uint32_t restart) {
  const Draws draws(seed, 0, restart, Purpose::kmeans);
  const int64_t trials = seed_trials(problem.clusters);
  Seeding seeding(problem, draws);
  seeding.first();
  for (int64_t c = 1; c < problem.clusters; ++c) seeding.add(trials);
  return seeding.centres();
}

}  // namespace medcoss
