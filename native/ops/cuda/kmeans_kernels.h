// K-means' kernels: pointers and sizes only, so that they compile without LibTorch's headers.
//
// Every function starts its kernel on `stream` (a cudaStream_t) and gives back CUDA's code, 0 where
// the launch was accepted. Pointers are the device's.
// Shape letters: N rows of a chunk of samples, K centres, D features, W features rounded up to
// whole tiles of depth, P candidates of a pool, S splits of the centres.
#pragma once

#include <cstdint>

#include "ops/cuda/kmeans_tile.h"

namespace medcoss::cuda {

/// Norms of a vector in units of the scale: of itself, of what float16 leaves of it, and of what a
/// second float16 leaves of that; with the squared norm in units of the data.
struct VectorNorms {
  float whole, coarse, fine, squared;
};

/// Vectors as the matrix product reads them: scaled, high + low as float16 [.,W].
struct HalfVectors {
  const uint16_t* high;
  const uint16_t* low;
  const VectorNorms* norms;
};

/// Per column and block of moment_rows rows: sum and sum of squares about `shift_D`, and the
/// largest distance from `origin_D`. Outputs [ceil(N / moment_rows), D].
constexpr int moment_rows = 512;
struct ColumnMoments {
  const float* x_ND;
  int64_t rows, width;
  const double* shift_D;
  const double* origin_D;
  double* sums;
  double* squares;
  float* largest;
};
int column_moments(const ColumnMoments& work, void* stream);

/// Takes `origin_D` from the vectors (null: nothing) and writes their float16 forms. Rows from
/// `rows` to `padded_rows` become zero. `largest`, where given, gathers the largest of each norm.
struct SplitVectors {
  float* x_ND;
  int64_t rows, padded_rows, width, padded_width;
  const double* origin_D;
  float scale;
  uint16_t* high_NW;
  uint16_t* low_NW;
  VectorNorms* norms_N;
  VectorNorms* largest;
};
int split_vectors(const SplitVectors& work, void* stream);

/// Of every row and split of centres the two smallest values |c|^2 - 2 x.c in units of the scale;
/// out [S, stride].
struct NearestTwo {
  HalfVectors samples, centres;
  const float* centre_values;  // |c|^2, infinite for padding up to a multiple of centre_padding
  const int32_t* list;         // rows to look at; null: the first `rows`
  const int32_t* listed;       // their number
  int32_t least;               // fewer are left alone
  int32_t rows;
  int32_t width;
  bool exact;  // high and low parts of both operands, else high parts alone
  CentreSplits splits;
  Nearest* out;
  int64_t stride;
};
int nearest_two(const NearestTwo& work, int multiprocessors, void* stream);
/// The same for compute capability 9.0: not `exact`, no list, an even number of tiles a split.
int nearest_two_hopper(const NearestTwo& work, int multiprocessors, void* stream);

/// Squared norms as `centre_values` for `NearestTwo`.
int centre_values(const VectorNorms* norms, int64_t centres, int64_t padded, float scale,
                  float* out, void* stream);

/// What bounds the error of a row's values.
struct ProductError {
  const VectorNorms* sample_norms;
  const VectorNorms* largest_centre;
  float accumulation;  // relative, of a product's sum
  bool exact;
};

/// Labels of the rows whose nearest centre the products decide; the others are listed in `next`.
struct Decide {
  const Nearest* found;
  int64_t stride;
  int32_t splits;
  const int32_t* list;
  const int32_t* listed;
  int32_t least;
  int32_t rows;
  ProductError error;
  int32_t* labels;
  int32_t* changed;
  int32_t* next;        // rows
  int32_t* next_slots;  // where they stand in `found`
  int32_t* next_count;
};
int decide(const Decide& work, void* stream);

/// Labels of listed rows, where these are at most `most`, by float64 distances to the centres that
/// the products leave possible.
struct DecideExactly {
  const Nearest* found;
  int64_t stride;
  CentreSplits splits;
  const int32_t* list;
  const int32_t* slots;
  const int32_t* listed;
  int32_t most;
  ProductError error;
  const float* x_ND;
  const float* centres_KD;
  int64_t clusters, width;
  int32_t* labels;
  int32_t* changed;
};
int decide_exactly(const DecideExactly& work, int multiprocessors, void* stream);

/// Adds the sums of a chunk's rows to those of their clusters. `order_N` sorts the rows by label,
/// those of cluster c from `starts[c]`; its pieces are those from `first_piece[c]`.
struct ClusterPieces {
  const float* x_ND;
  int64_t rows, width, clusters;
  const int64_t* order_N;
  const int64_t* starts;
  const int64_t* first_piece;
  double* pieces;  // [N / piece_rows + K, D]
  double* sums_KD;
  int64_t* counts_K;
};
int add_cluster_sums(const ClusterPieces& work, void* stream);

/// Means; an empty cluster is put where the largest is. `shift_K`: squared way of each centre.
struct ClusterMeans {
  const double* sums_KD;
  const int64_t* counts_K;
  const float* centres_KD;
  int64_t clusters, width;
  float* moved_KD;
  double* shift_K;
};
int cluster_means(const ClusterMeans& work, void* stream);

/// out[0]: whether a label changed, out[1]: empty clusters, out[2]: sum of the shift.
int iteration_status(const int32_t* changed, const int64_t* counts_K, const double* shift_K,
                     int64_t clusters, double* out, void* stream);

/// float64 squared distance of each row to its centre.
int own_distances(const float* x_ND, const float* centres_KD, const int32_t* labels_N, int64_t rows,
                  int64_t width, double* out_N, void* stream);

/// The i-th listed sample leaves its cluster and becomes the i-th empty one, until one has no
/// distance.
struct Refill {
  const float* rows_ED;
  const int32_t* labels_E;
  const double* distances_E;
  const int64_t* empty_E;
  int64_t count, width;
  double* sums_KD;
  int64_t* counts_K;
};
int refill_clusters(const Refill& work, void* stream);

/// table [P, stride], products of candidates and rows, becomes squared distances.
int pool_distances(float* table, int64_t stride, int64_t rows, int64_t candidates,
                   const VectorNorms* norms_N, const VectorNorms* norms_P, void* stream);

/// What each of `trials` columns of the table takes from the sum of distances, in blocks of
/// gain_rows: out [ceil(N / gain_rows), trials].
constexpr int gain_rows = 4096;
constexpr int most_trials = 16;
struct Trials {
  int32_t count;
  int32_t columns[most_trials];
};
int pool_gains(const float* table, int64_t stride, int64_t rows, const float* closest_N,
               const Trials& trials, double* out, void* stream);

/// The column of largest gain (the first of equal ones) into `best`.
int best_trial(const double* gains, int64_t blocks, const Trials& trials, int32_t* best,
               void* stream);

/// Lowers `closest_N` to the distances of column `*best`; its own sample gets none. `chosen`
/// receives that sample.
int take_candidate(const float* table, int64_t stride, int64_t rows, const int32_t* best,
                   const int64_t* pool, float* closest_N, int64_t* chosen, void* stream);

}  // namespace medcoss::cuda
