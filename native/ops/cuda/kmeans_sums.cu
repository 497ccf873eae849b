// Sums of the rows of each cluster, without atomics: rows sorted by label, in pieces of at most
// piece_rows, then the pieces of a cluster in their order.
//
// Invariant: float64, everything in a fixed order, so that a run repeats to the bit.
#include "ops/cuda/instructions.cuh"
#include "ops/cuda/kmeans_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int threads = 256;

__global__ void __launch_bounds__(threads) sum_pieces_kernel(ClusterPieces work) {
  const int64_t piece = blockIdx.x;
  if (piece >= work.first_piece[work.clusters]) return;
  const int64_t cluster = cluster_of_piece(work.first_piece, work.clusters, piece);
  const int64_t begin = work.starts[cluster] + (piece - work.first_piece[cluster]) * piece_rows;
  const int64_t last = work.starts[cluster + 1];
  const int64_t end = begin + piece_rows < last ? begin + piece_rows : last;
  for (int64_t column = threadIdx.x; column < work.width; column += threads) {
    double sum = 0;
#pragma unroll 8
    for (int64_t i = begin; i < end; ++i) sum += work.x_ND[work.order_N[i] * work.width + column];
    work.pieces[piece * work.width + column] = sum;
  }
}

__global__ void __launch_bounds__(threads) add_pieces_kernel(ClusterPieces work) {
  const int64_t cluster = blockIdx.x;
  const int64_t begin = work.first_piece[cluster];
  const int64_t end = work.first_piece[cluster + 1];
  for (int64_t column = threadIdx.x; column < work.width; column += threads) {
    double sum = work.sums_KD[cluster * work.width + column];
    for (int64_t piece = begin; piece < end; ++piece) {
      sum += work.pieces[piece * work.width + column];
    }
    work.sums_KD[cluster * work.width + column] = sum;
  }
  if (threadIdx.x == 0) {
    work.counts_K[cluster] += work.starts[cluster + 1] - work.starts[cluster];
  }
}

// The sum over the block, in a fixed order; in thread 0.
__device__ double block_sum(double value) {
  __shared__ double values[threads];
  values[threadIdx.x] = value;
  for (int step = threads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < step) values[threadIdx.x] += values[threadIdx.x + step];
  }
  return values[0];
}

__global__ void __launch_bounds__(threads) cluster_means_kernel(ClusterMeans work) {
  const int64_t cluster = blockIdx.x;
  int64_t from = cluster;
  if (work.counts_K[cluster] == 0) {
    for (int64_t c = 0; c < work.clusters; ++c) {
      if (work.counts_K[c] > work.counts_K[from]) from = c;
    }
  }
  const auto count = static_cast<double>(work.counts_K[from]);
  double shift = 0;
  for (int64_t column = threadIdx.x; column < work.width; column += threads) {
    const auto mean = static_cast<float>(work.sums_KD[from * work.width + column] / count);
    const int64_t place = cluster * work.width + column;
    const double way = static_cast<double>(mean) - static_cast<double>(work.centres_KD[place]);
    work.moved_KD[place] = mean;
    shift += way * way;
  }
  shift = block_sum(shift);
  if (threadIdx.x == 0) work.shift_K[cluster] = shift;
}

__global__ void __launch_bounds__(threads)
    iteration_status_kernel(const int32_t* changed, const int64_t* counts_K, const double* shift_K,
                            int64_t clusters, double* out) {
  double shift = 0;
  double empty = 0;
  for (int64_t c = threadIdx.x; c < clusters; c += threads) {
    shift += shift_K[c];
    if (counts_K[c] == 0) empty += 1;
  }
  shift = block_sum(shift);
  __syncthreads();
  empty = block_sum(empty);
  if (threadIdx.x != 0) return;
  out[0] = *changed;
  out[1] = empty;
  out[2] = shift;
}

__global__ void __launch_bounds__(threads) refill_kernel(Refill work) {
  for (int64_t e = 0; e < work.count; ++e) {
    if (work.distances_E[e] == 0) return;
    const int64_t old = work.labels_E[e];
    const int64_t empty = work.empty_E[e];
    for (int64_t column = threadIdx.x; column < work.width; column += threads) {
      const double x = work.rows_ED[e * work.width + column];
      work.sums_KD[old * work.width + column] -= x;
      work.sums_KD[empty * work.width + column] = x;
    }
    if (threadIdx.x != 0) continue;
    --work.counts_K[old];
    work.counts_K[empty] = 1;
  }
}

}  // namespace

int add_cluster_sums(const ClusterPieces& work, void* stream) {
  const dim3 pieces(static_cast<unsigned>(work.rows / piece_rows + work.clusters));
  const int code = launch(sum_pieces_kernel, pieces, threads, 0, stream, work);
  if (code != 0) return code;
  const dim3 clusters(static_cast<unsigned>(work.clusters));
  return launch(add_pieces_kernel, clusters, threads, 0, stream, work);
}

int cluster_means(const ClusterMeans& work, void* stream) {
  const dim3 clusters(static_cast<unsigned>(work.clusters));
  return launch(cluster_means_kernel, clusters, threads, 0, stream, work);
}

int iteration_status(const int32_t* changed, const int64_t* counts_K, const double* shift_K,
                     int64_t clusters, double* out, void* stream) {
  return launch(iteration_status_kernel, dim3(1), threads, 0, stream, changed, counts_K, shift_K,
                clusters, out);
}

int refill_clusters(const Refill& work, void* stream) {
  return launch(refill_kernel, dim3(1), threads, 0, stream, work);
}

}  // namespace medcoss::cuda
