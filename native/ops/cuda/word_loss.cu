// Cross entropy of word scores: a block has a row, reads its scores twice (the second time from the
// cache), and leaves their gradient in their place.
#include "ops/cuda/launch.cuh"
#include "ops/cuda/loss_kernels.h"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/reduce.cuh"

namespace medcoss::cuda {
namespace {

constexpr int threads = 512;
constexpr int warps = threads / warp_size;
constexpr int settle_threads = 1024;
constexpr float log2_e = 1.44269504088896341F;

template <typename T>
__device__ inline float exponential(float x) {
  return expf(x);
}
template <>
__device__ inline float exponential<bf16>(float x) {
  return exp2_approximate(log2_e * x);
}

// The largest of some scores, and the sum of exponentials of all relative to it.
struct Partition {
  float top = -3.4e38F;
  float sum = 0;
};

template <typename T>
__device__ inline void join(Partition& own, float top, float sum) {
  const float largest = fmaxf(own.top, top);
  own.sum = own.sum * exponential<T>(own.top - largest) + sum * exponential<T>(top - largest);
  own.top = largest;
}

// That of the block, in every thread. All threads of the block come here.
template <typename T>
__device__ inline Partition of_block(Partition own) {
  __shared__ Partition parts[warps];
  for (int offset = warp_size / 2; offset > 0; offset /= 2) {
    const float top = __shfl_xor_sync(whole_warp, own.top, offset);
    const float sum = __shfl_xor_sync(whole_warp, own.sum, offset);
    join<T>(own, top, sum);
  }
  if (threadIdx.x % warp_size == 0) parts[threadIdx.x / warp_size] = own;
  __syncthreads();
  Partition all = parts[0];
  for (int warp = 1; warp < warps; ++warp) join<T>(all, parts[warp].top, parts[warp].sum);
  return all;
}

// f(first class, scores with their bias) for this thread's packs of a row. A pack that reaches
// behind the last class has scores there that no exponential sees.
template <typename T, typename F>
__device__ inline void for_scores(const WordLoss<T>& p, const T* row, const F& f) {
  constexpr int pack = wide<T>;
  for (int64_t at = int64_t{threadIdx.x} * pack; at < p.classes; at += threads * pack) {
    const auto raw = load_pack<T, pack>(row + at);
    Pack<float, pack> scores;
    for (int i = 0; i < pack; ++i) {
      const bool there = at + i < p.classes;
      scores.at[i] = there ? to_float(raw.at[i]) + p.bias[at + i] : -3.4e38F;
    }
    f(at, scores);
  }
}

template <typename T>
__global__ void __launch_bounds__(threads) word_row(const __grid_constant__ WordLoss<T> p) {
  constexpr int pack = wide<T>;
  T* row = p.scores + blockIdx.x * p.stride;
  const int64_t id = p.id[blockIdx.x];
  Partition own;
  for_scores(p, row, [&](int64_t, const Pack<float, pack>& scores) {
    float top = scores.at[0];
    for (int i = 1; i < pack; ++i) top = fmaxf(top, scores.at[i]);
    float sum = 0;
    for (int i = 0; i < pack; ++i) sum += exponential<T>(scores.at[i] - top);
    join<T>(own, top, sum);
  });
  const Partition all = of_block<T>(own);
  const float log_sum = all.top + logf(all.sum);
  if (threadIdx.x == 0) {
    const float score = id < 0 ? log_sum : to_float(row[id]) + p.bias[id];
    p.workspace[blockIdx.x] = static_cast<double>(log_sum) - static_cast<double>(score);
  }
  // Before the score of the word is overwritten.
  __syncthreads();
  const float factor = id < 0 ? 0 : static_cast<float>(1 / *p.counted);
  for_scores(p, row, [&](int64_t at, const Pack<float, pack>& scores) {
    Pack<T, pack> gradient;
    for (int i = 0; i < pack; ++i) {
      const float wanted = at + i == id ? 1 : 0;
      store(gradient.at[i], factor * (exponential<T>(scores.at[i] - log_sum) - wanted));
    }
    store_pack(row + at, gradient);
  });
  const int64_t end = divide_up(p.classes, pack) * pack;
  for (int64_t at = end + threadIdx.x; at < p.stride; at += threads) store(row[at], 0);
}

__global__ void __launch_bounds__(settle_threads)
    count_labels(const int64_t* id, int64_t rows, double* counted) {
  double count = 0;
  for (int64_t i = threadIdx.x; i < rows; i += settle_threads) count += id[i] >= 0 ? 1 : 0;
  count = block_sum<settle_threads>(count);
  if (threadIdx.x == 0) *counted = count;
}

__global__ void __launch_bounds__(settle_threads)
    settle(const double* losses, int64_t rows, const double* counted, float* loss) {
  const double sum = sum_of<settle_threads>(losses, rows);
  if (threadIdx.x == 0) *loss = static_cast<float>(sum / *counted);
}

}  // namespace

template <typename T>
void word_loss(const WordLoss<T>& p, cudaStream_t stream) {
  launch(count_labels, grid_of(1), settle_threads, stream, p.id, p.rows, p.counted);
  launch(word_row<T>, grid_of(p.rows), threads, stream, p);
  launch(settle, grid_of(1), settle_threads, stream, p.workspace, p.rows, p.counted, p.loss);
}

template void word_loss(const WordLoss<float>&, cudaStream_t);
template void word_loss(const WordLoss<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
