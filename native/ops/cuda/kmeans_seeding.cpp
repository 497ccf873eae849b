#include "ops/cuda/kmeans_seeding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <vector>

#include "ops/cpu/kmeans_rules.h"

namespace medcoss::cuda {
namespace {

class Seeding {
 public:
  Seeding(KmeansSamples& samples, int64_t clusters, const Draws& draws)
      : samples_(samples), draws_(draws), stream_(current_stream(samples.place().device)) {
    const auto options = at::TensorOptions().device(samples.place().device).dtype(at::kFloat);
    const int64_t count = samples.count();
    const int64_t blocks = (count + gain_rows - 1) / gain_rows;
    closest_N_ = at::full({count}, std::numeric_limits<float>::infinity(), options);
    table_PN_ = at::empty({seed_pool_size(clusters), count}, options);
    gains_ = at::empty({blocks, most_trials}, options.dtype(at::kDouble));
    best_ = at::zeros({1}, options.dtype(at::kInt));
    chosen_K_ = at::empty({clusters}, options.dtype(at::kLong));
  }

  void first() {
    const auto samples = static_cast<uint64_t>(samples_.count());
    fill_pool(at::full({1}, static_cast<int64_t>(draws_.below(samples, 0)), chosen_K_.options()));
    take();
  }

  /// Adds, out of so many candidates, the one that lowers the sum of squared distances most.
  void add(int64_t trials) {
    Trials candidates = accepted(trials);
    if (candidates.count == 0) {
      draw_pool();
      candidates = accepted(trials);
    }
    const int64_t blocks = gains_.size(0);
    launched(
        pool_gains(table_PN_.data_ptr<float>(), samples_.count(), samples_.count(),
                   closest_N_.data_ptr<float>(), candidates, gains_.data_ptr<double>(), stream_),
        "pool_gains");
    launched(best_trial(gains_.data_ptr<double>(), blocks, candidates, best_.data_ptr<int32_t>(),
                        stream_),
             "best_trial");
    take();
  }

  at::Tensor centres() const {
    const at::Tensor chosen = chosen_K_.cpu();
    const auto* first = chosen.data_ptr<int64_t>();
    return samples_.rows({first, first + chosen.numel()});
  }

 private:
  // Samples drawn with probability proportional to the squared distance to the nearest centre.
  void draw_pool() {
    const at::Tensor cumulative = closest_N_.cumsum(0, at::kDouble);
    const int64_t size = seed_pool_size(taken_);
    ++pools_;
    at::Tensor targets = at::empty({size}, at::kDouble);
    for (int64_t p = 0; p < size; ++p) {
      targets.data_ptr<double>()[p] = fine_uniform(draws_, pools_, static_cast<uint32_t>(2 * p));
    }
    targets = targets.to(samples_.place().device) * cumulative.slice(0, samples_.count() - 1);
    fill_pool(at::searchsorted(cumulative, targets, false, true).clamp_max(samples_.count() - 1));
    then_P_ = now();
    used_ = 0;
  }

  // Squared distances of the pool to their nearest centres: on the host.
  std::vector<float> now() const {
    const at::Tensor values = closest_N_.index_select(0, pool_P_).cpu();
    const auto* first = values.data_ptr<float>();
    return {first, first + values.numel()};
  }

  // As on the CPU: the next `trials` candidates that are not refused; none where too few are left.
  Trials accepted(int64_t trials) {
    Trials found{};
    if (used_ == then_P_.size()) return found;
    const std::vector<float> now_P = now();
    while (used_ < then_P_.size() && found.count < trials) {
      const size_t p = used_++;
      const double chance = fine_uniform(draws_, pools_, static_cast<uint32_t>(2 * p + 1));
      if (chance * then_P_[p] <= now_P[p]) found.columns[found.count++] = static_cast<int32_t>(p);
    }
    if (found.count < trials) found.count = 0;
    return found;
  }

  void fill_pool(const at::Tensor& pool_P) {
    pool_P_ = pool_P;
    const at::Tensor host = pool_P.cpu();
    const auto* first = host.data_ptr<int64_t>();
    const int64_t size = host.numel();
    const at::Tensor rows_PD = samples_.rows({first, first + size});
    const SplitTensor split = samples_.split(rows_PD, size, {});
    samples_.each([&](const KmeansChunk& chunk) {
      at::Tensor part = table_PN_.narrow(0, 0, size).narrow(1, chunk.begin, chunk.rows);
      at::mm_out(part, rows_PD, chunk.x_ND.t());
      launched(pool_distances(table_PN_.data_ptr<float>() + chunk.begin, samples_.count(),
                              chunk.rows, size, chunk.view().norms, split.view().norms, stream_),
               "pool_distances");
    });
  }

  void take() {
    launched(take_candidate(table_PN_.data_ptr<float>(), samples_.count(), samples_.count(),
                            best_.data_ptr<int32_t>(), pool_P_.data_ptr<int64_t>(),
                            closest_N_.data_ptr<float>(), chosen_K_.data_ptr<int64_t>() + taken_,
                            stream_),
             "take_candidate");
    ++taken_;
  }

  KmeansSamples& samples_;
  const Draws& draws_;
  void* stream_;
  int64_t taken_ = 0;
  at::Tensor closest_N_;  // squared distance to the nearest centre
  at::Tensor table_PN_;   // squared distances of candidates and samples
  at::Tensor gains_, best_, chosen_K_, pool_P_;
  std::vector<float> then_P_;  // squared distances of the pool when it was drawn
  size_t used_ = 0;
  uint32_t pools_ = 0;
};

}  // namespace

at::Tensor kmeans_seeds(KmeansSamples& samples, int64_t clusters, uint64_t seed, uint32_t restart) {
  const Draws draws(seed, 0, restart, Purpose::kmeans);
  const int64_t trials = seed_trials(clusters);
  Seeding seeding(samples, clusters, draws);
  seeding.first();
  for (int64_t c = 1; c < clusters; ++c) seeding.add(trials);
  return seeding.centres();
}

}  // namespace medcoss::cuda
