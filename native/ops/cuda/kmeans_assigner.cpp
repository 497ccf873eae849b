#include "ops/cuda/kmeans_assigner.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace medcoss::cuda {
namespace {

// More tiles of centres in a split mean fewer reads of the samples, fewer mean that more blocks of
// threads share them while they are in the cache.
constexpr int64_t most_per_split = 4;

int64_t centre_tiles(int64_t clusters) {
  return (clusters + tile_centres - 1) / tile_centres;
}

// So few rows are not worth another pass of products.
int32_t few_rows(const KmeansChunk& chunk) {
  return static_cast<int32_t>(chunk.rows / 16);
}

// Enough pieces of work for all multiprocessors.
CentreSplits splits_for(int64_t clusters, int64_t rows, const KmeansPlace& place) {
  const int64_t tiles = centre_tiles(clusters);
  const int64_t row_tiles = (rows + tile_rows - 1) / tile_rows;
  const int64_t each = tiles * row_tiles / (2 * place.multiprocessors);
  const auto per_split = static_cast<int>(std::clamp<int64_t>(each, 1, most_per_split));
  return {static_cast<int>(tiles), place.hopper ? centre_padding / tile_centres : per_split};
}

// Eight standard deviations of what tensor cores lose: they cut off the digits below the last of
// the largest of eight products and the sum so far, and then of their sum (Fasi, Higham, Mikaitis
// and Pranesh, PeerJ Comput. Sci. 7:e330, 2021), relative to the product of the norms.
float accumulation_error(int64_t width) {
  const auto sums = static_cast<double>(width) / 8;
  return static_cast<float>((8 * std::sqrt(9 * sums) + sums) * 0x1p-24);
}

}  // namespace

int64_t KmeansAssigner::row_bytes(int64_t clusters) {
  return centre_tiles(clusters) * static_cast<int64_t>(sizeof(Nearest)) + 4 * 4;
}

KmeansAssigner::KmeansAssigner(const KmeansSamples& samples, int64_t clusters)
    : samples_(samples),
      clusters_(clusters),
      padded_clusters_(rounded_up(clusters, centre_padding)),
      splits_(splits_for(clusters, samples.chunk_rows(), samples.place())) {
  const auto options = at::TensorOptions().device(samples.place().device).dtype(at::kFloat);
  const int64_t rows = samples.chunk_rows();
  largest_ = at::empty({4}, options);
  values_K_ = at::empty({padded_clusters_}, options);
  found_SN3_ = at::empty({splits_.count(), rows, 3}, options);
  lists_22N_ = at::empty({2, 2, rows}, options.dtype(at::kInt));
  listed_2_ = at::empty({2}, options.dtype(at::kInt));
}

void KmeansAssigner::set_centres(const at::Tensor& centres_KD) {
  largest_.zero_();
  centres_ = samples_.split(centres_KD, padded_clusters_, largest_);
  launched(centre_values(centres_.view().norms, clusters_, padded_clusters_, samples_.scale(),
                         values_K_.data_ptr<float>(), current_stream(samples_.place().device)),
           "centre_values");
}

void KmeansAssigner::assign(const KmeansChunk& chunk, const at::Tensor& labels_N,
                            const at::Tensor& changed) {
  listed_2_.zero_();
  for (const bool exact : {false, true}) {
    find(chunk, exact);
    decide(chunk, exact, labels_N, changed);
    decide_rest(chunk, exact, labels_N, changed);
  }
}

int32_t* KmeansAssigner::list(int64_t pass, int64_t part) const {
  return lists_22N_.data_ptr<int32_t>() + (2 * pass + part) * lists_22N_.size(2);
}

int32_t* KmeansAssigner::listed(int64_t pass) const {
  return listed_2_.data_ptr<int32_t>() + pass;
}

ProductError KmeansAssigner::error(const KmeansChunk& chunk, bool exact) const {
  return {chunk.view().norms, reinterpret_cast<const VectorNorms*>(largest_.data_ptr<float>()),
          accumulation_error(samples_.padded_width()), exact};
}

void KmeansAssigner::find(const KmeansChunk& chunk, bool exact) {
  NearestTwo work{};
  work.samples = chunk.view();
  work.centres = centres_.view();
  work.centre_values = values_K_.data_ptr<float>();
  work.list = exact ? list(0, 0) : nullptr;
  work.listed = exact ? listed(0) : nullptr;
  work.least = few_rows(chunk) + 1;
  work.rows = static_cast<int32_t>(chunk.rows);
  work.width = static_cast<int32_t>(samples_.padded_width());
  work.exact = exact;
  work.splits = splits_;
  work.out = reinterpret_cast<Nearest*>(found_SN3_.data_ptr<float>());
  work.stride = found_SN3_.size(1);
  const KmeansPlace& place = samples_.place();
  const auto search = place.hopper && !exact ? nearest_two_hopper : nearest_two;
  launched(search(work, place.multiprocessors, current_stream(place.device)), "nearest_two");
}

void KmeansAssigner::decide(const KmeansChunk& chunk, bool exact, const at::Tensor& labels_N,
                            const at::Tensor& changed) {
  Decide work{};
  work.found = reinterpret_cast<const Nearest*>(found_SN3_.data_ptr<float>());
  work.stride = found_SN3_.size(1);
  work.splits = splits_.count();
  work.list = exact ? list(0, 0) : nullptr;
  work.listed = exact ? listed(0) : nullptr;
  work.least = few_rows(chunk) + 1;
  work.rows = static_cast<int32_t>(chunk.rows);
  work.error = error(chunk, exact);
  work.labels = labels_N.data_ptr<int32_t>();
  work.changed = changed.data_ptr<int32_t>();
  work.next = list(exact, 0);
  work.next_slots = list(exact, 1);
  work.next_count = listed(exact);
  launched(medcoss::cuda::decide(work, current_stream(samples_.place().device)), "decide");
}

void KmeansAssigner::decide_rest(const KmeansChunk& chunk, bool exact, const at::Tensor& labels_N,
                                 const at::Tensor& changed) {
  DecideExactly work{};
  work.found = reinterpret_cast<const Nearest*>(found_SN3_.data_ptr<float>());
  work.stride = found_SN3_.size(1);
  work.splits = splits_;
  work.list = list(exact, 0);
  work.slots = list(exact, 1);
  work.listed = listed(exact);
  work.most = exact ? INT32_MAX : few_rows(chunk);
  work.error = error(chunk, exact);
  work.x_ND = chunk.x_ND.data_ptr<float>();
  work.centres_KD = centres_.x_ND.data_ptr<float>();
  work.clusters = clusters_;
  work.width = samples_.width();
  work.labels = labels_N.data_ptr<int32_t>();
  work.changed = changed.data_ptr<int32_t>();
  const KmeansPlace& place = samples_.place();
  launched(decide_exactly(work, place.multiprocessors, current_stream(place.device)),
           "decide_exactly");
}

}  // namespace medcoss::cuda
