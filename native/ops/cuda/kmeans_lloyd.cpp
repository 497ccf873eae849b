#include "ops/cuda/kmeans_lloyd.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>

#include <utility>
#include <vector>

#include "ops/cpu/kmeans_rules.h"
#include "ops/cuda/kmeans_assigner.h"
#include "ops/cuda/kmeans_seeding.h"

namespace medcoss::cuda {
namespace {

// What is kept for each sample, in a chunk or not: its label, distances, and k-means++'s table.
constexpr int64_t sample_bytes = 4 + 4 * 8 + 4 * (most_seed_pool + 1);

struct Run {
  at::Tensor labels_N, centres_KD;  // on the GPU
  double inertia = 0;
  int64_t iterations = 0;
};

class Lloyd {
 public:
  Lloyd(KmeansSamples& samples, int64_t clusters)
      : samples_(samples),
        clusters_(clusters),
        stream_(current_stream(samples.place().device)),
        assigner_(samples, clusters) {
    const auto options = at::TensorOptions().device(samples.place().device).dtype(at::kDouble);
    const int64_t width = samples.width();
    const int64_t pieces = samples.chunk_rows() / piece_rows + clusters;
    sums_KD_ = at::empty({clusters, width}, options);
    counts_K_ = at::empty({clusters}, options.dtype(at::kLong));
    shift_K_ = at::empty({clusters}, options);
    status_3_ = at::empty({3}, options);
    pieces_ = at::empty({pieces, width}, options);
    bounds_ = at::arange(clusters + 1, options.dtype(at::kInt));
    first_piece_ = at::zeros({clusters + 1}, options.dtype(at::kLong));
    changed_ = at::empty({1}, options.dtype(at::kInt));
  }

  Run run(at::Tensor centres_KD, int64_t max_iterations, double tolerance) {
    Run run{at::full({samples_.count()}, -1, changed_.options()), std::move(centres_KD), 0, 0};
    bool settled = false;
    while (run.iterations < max_iterations && !settled) {
      assign(run, true);
      at::Tensor moved = means(run);
      Status status = read_status();
      if (status.empty > 0) {
        refill(run, status.empty);
        moved = means(run);
        status.shift = read_status().shift;
      }
      settled = !status.changed;
      run.centres_KD = std::move(moved);
      ++run.iterations;
      if (!settled && status.shift <= tolerance) break;
    }
    if (!settled) assign(run, false);
    run.inertia = own_distances_of(run).sum().item<double>();
    return run;
  }

 private:
  struct Status {
    bool changed;
    int64_t empty;
    double shift;
  };

  // Labels of all samples and, where wanted, the sums of the clusters.
  void assign(const Run& run, bool with_sums) {
    assigner_.set_centres(run.centres_KD);
    changed_.zero_();
    sums_KD_.zero_();
    counts_K_.zero_();
    samples_.each([&](const KmeansChunk& chunk) {
      const at::Tensor labels_N = run.labels_N.narrow(0, chunk.begin, chunk.rows);
      assigner_.assign(chunk, labels_N, changed_);
      if (with_sums) add_sums(chunk, labels_N);
    });
  }

  void add_sums(const KmeansChunk& chunk, const at::Tensor& labels_N) {
    const auto [sorted, order_N] = at::sort(labels_N, true, 0, false);
    const at::Tensor starts = at::searchsorted(sorted, bounds_);
    const at::Tensor counts = starts.narrow(0, 1, clusters_) - starts.narrow(0, 0, clusters_);
    const at::Tensor pieces = at::div(counts + (piece_rows - 1), piece_rows, "floor");
    first_piece_.narrow(0, 1, clusters_).copy_(pieces.cumsum(0));
    ClusterPieces work{};
    work.x_ND = chunk.x_ND.data_ptr<float>();
    work.rows = chunk.rows;
    work.width = samples_.width();
    work.clusters = clusters_;
    work.order_N = order_N.data_ptr<int64_t>();
    work.starts = starts.data_ptr<int64_t>();
    work.first_piece = first_piece_.data_ptr<int64_t>();
    work.pieces = pieces_.data_ptr<double>();
    work.sums_KD = sums_KD_.data_ptr<double>();
    work.counts_K = counts_K_.data_ptr<int64_t>();
    launched(add_cluster_sums(work, stream_), "add_cluster_sums");
  }

  at::Tensor means(const Run& run) {
    at::Tensor moved = at::empty_like(run.centres_KD);
    ClusterMeans work{};
    work.sums_KD = sums_KD_.data_ptr<double>();
    work.counts_K = counts_K_.data_ptr<int64_t>();
    work.centres_KD = run.centres_KD.data_ptr<float>();
    work.clusters = clusters_;
    work.width = samples_.width();
    work.moved_KD = moved.data_ptr<float>();
    work.shift_K = shift_K_.data_ptr<double>();
    launched(cluster_means(work, stream_), "cluster_means");
    return moved;
  }

  Status read_status() {
    launched(iteration_status(changed_.data_ptr<int32_t>(), counts_K_.data_ptr<int64_t>(),
                              shift_K_.data_ptr<double>(), clusters_, status_3_.data_ptr<double>(),
                              stream_),
             "iteration_status");
    const at::Tensor host = status_3_.cpu();
    const auto* status = host.data_ptr<double>();
    return {status[0] != 0, static_cast<int64_t>(status[1]), status[2]};
  }

  at::Tensor own_distances_of(const Run& run) {
    at::Tensor distances_N = at::empty({samples_.count()}, sums_KD_.options());
    samples_.each([&](const KmeansChunk& chunk) {
      launched(
          own_distances(chunk.x_ND.data_ptr<float>(), run.centres_KD.data_ptr<float>(),
                        run.labels_N.data_ptr<int32_t>() + chunk.begin, chunk.rows,
                        samples_.width(), distances_N.data_ptr<double>() + chunk.begin, stream_),
          "own_distances");
    });
    return distances_N;
  }

  // The samples farthest from their own centres become the centres of empty clusters.
  void refill(const Run& run, int64_t count) {
    const auto [distances, order] = at::sort(own_distances_of(run), true, 0, true);
    const at::Tensor farthest = order.narrow(0, 0, count).contiguous();
    const at::Tensor host = farthest.cpu();
    const auto* first = host.data_ptr<int64_t>();
    const at::Tensor rows_ED = samples_.rows({first, first + count});
    const at::Tensor labels_E = run.labels_N.index_select(0, farthest);
    const at::Tensor empty_E = at::nonzero(counts_K_ == 0).view({count});
    Refill work{};
    work.rows_ED = rows_ED.data_ptr<float>();
    work.labels_E = labels_E.data_ptr<int32_t>();
    work.distances_E = distances.data_ptr<double>();
    work.empty_E = empty_E.data_ptr<int64_t>();
    work.count = count;
    work.width = samples_.width();
    work.sums_KD = sums_KD_.data_ptr<double>();
    work.counts_K = counts_K_.data_ptr<int64_t>();
    launched(refill_clusters(work, stream_), "refill_clusters");
  }

  KmeansSamples& samples_;
  int64_t clusters_;
  void* stream_;
  KmeansAssigner assigner_;
  at::Tensor sums_KD_, counts_K_, shift_K_, status_3_, pieces_, bounds_, first_piece_, changed_;
};

// What is kept on the GPU for each sample of a chunk: by the assignment and by the sums.
int64_t chunk_row_bytes(const KmeansOptions& options) {
  const int64_t width = options.data_ND.size(1);
  const int64_t sorting = 4 * 8 + width * 8 / piece_rows;
  return KmeansAssigner::row_bytes(options.clusters) + sorting;
}

}  // namespace

KmeansResult kmeans(const KmeansOptions& options, const KmeansPlace& place) {
  const at::NoGradGuard no_grad;
  const bool given = options.centres_KD.defined();
  const double largest = given ? options.centres_KD.abs().max().item<double>() : 0;
  KmeansPlace room = place;
  room.memory -= options.data_ND.size(0) * sample_bytes;
  KmeansSamples samples(options.data_ND, largest, chunk_row_bytes(options), room);
  const double tolerance = options.tolerance * samples.variance();
  Lloyd lloyd(samples, options.clusters);
  Run best;
  for (int64_t restart = 0; restart < (given ? 1 : options.restarts); ++restart) {
    at::Tensor start = given ? (options.centres_KD.to(at::kDouble) - samples.origin_D())
                                   .to(place.device, at::kFloat)
                                   .contiguous()
                             : kmeans_seeds(samples, options.clusters, options.seed,
                                            static_cast<uint32_t>(restart));
    Run run = lloyd.run(std::move(start), options.max_iterations, tolerance);
    if (restart == 0 || run.inertia < best.inertia) best = std::move(run);
  }
  const at::Tensor centres_KD = best.centres_KD.cpu().to(at::kDouble) + samples.origin_D();
  return {best.labels_N.cpu(), centres_KD.to(at::kFloat), best.inertia, best.iterations};
}

}  // namespace medcoss::cuda
