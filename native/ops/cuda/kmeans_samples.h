// The samples of a k-means on a GPU: in its memory where they fit, else in chunks that are copied
// there at every pass.
//
// Invariant: samples have the same mean taken out as on the CPU (ops/cpu/kmeans_problem.h), to the
// bit; float16 forms are made of those.
// Shape letters: N samples of a chunk, D features, W features rounded up to whole tiles of depth.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "ops/cuda/kmeans_kernels.h"
#include "ops/cuda/kmeans_upload.h"

namespace medcoss::cuda {

struct KmeansPlace {
  at::Device device;
  int multiprocessors;
  /// Bytes of the GPU's memory that samples may take, with what k-means keeps for each.
  int64_t memory;
  /// Compute capability 9.0, for which there are kernels of its own.
  bool hopper;
};

/// Vectors on the GPU: float32 and as the matrix product reads them.
struct SplitTensor {
  at::Tensor x_ND, high_NW, low_NW, norms_N4;

  HalfVectors view() const;
};

struct KmeansChunk : SplitTensor {
  int64_t begin, rows;
};

class KmeansSamples {
 public:
  using Visit = std::function<void(const KmeansChunk&)>;

  /// Refers to `data_ND` on the host. `largest`: the largest magnitude of given centres, in units
  /// of the data. `row_bytes`: what the caller keeps on the GPU for each sample of a chunk.
  KmeansSamples(const at::Tensor& data_ND, double largest, int64_t row_bytes,
                const KmeansPlace& place);

  int64_t count() const { return count_; }
  int64_t width() const { return width_; }
  int64_t padded_width() const { return padded_width_; }
  int64_t chunk_rows() const { return chunk_rows_; }
  /// A power of two, which brings every value into the range of float16.
  float scale() const { return scale_; }
  /// Mean over the features.
  double variance() const { return variance_; }
  /// What was taken from the samples: float64 [D] on the host.
  const at::Tensor& origin_D() const { return origin_D_; }
  const KmeansPlace& place() const { return place_; }

  /// All chunks in order.
  void each(const Visit& visit);
  /// Float32 samples [.,D] on the GPU.
  at::Tensor rows(const std::vector<int64_t>& samples) const;
  /// Float16 forms of vectors, with zeros up to `padded_rows`; `largest` [4] gathers norms.
  SplitTensor split(const at::Tensor& x_ND, int64_t padded_rows, const at::Tensor& largest) const;

 private:
  using Raw = std::function<void(const at::Tensor& x_ND, int64_t begin)>;

  bool resident() const { return chunk_rows_ >= count_; }
  /// Chunks as they are on the host.
  void each_raw(const Raw& visit);
  void load();
  void measure(double largest);
  /// Sums of (x - shift) and of their squares, and the largest |x - origin|: [3,D] on the host.
  at::Tensor moments(const at::Tensor& shift_D, const at::Tensor& origin_D);
  SplitTensor empty_split(int64_t rows) const;
  void split_into(const SplitTensor& to, int64_t rows, const double* origin_D,
                  const at::Tensor& largest) const;

  const float* data_;
  int64_t count_, width_, padded_width_, chunk_rows_;
  KmeansPlace place_;
  KmeansUpload upload_;
  std::vector<SplitTensor> buffers_;  // all samples, or two chunks
  float scale_ = 1;
  double variance_ = 0;
  at::Tensor origin_D_, origin_on_gpu_D_;
};

}  // namespace medcoss::cuda
