// Attention forward: a warp has a strip of queries and goes through the keys, a few tiles at a
// time, with the softmax of what it has seen so far.
//
// Invariant: a row's result depends on its own query and the sequence's keys and values only.
#include "ops/cuda/attention_rows.cuh"

namespace medcoss::cuda {
namespace {

// Tiles of keys at a time, and blocks on a multiprocessor, as registers allow.
constexpr int most_tiles(int width) {
  return width == attention_width ? 3 : 2;
}
constexpr int blocks_at_once(int width) {
  return width == attention_width ? 3 : 4;
}

// Parts of the rows of a key.
constexpr int key_part = 0;
constexpr int value_part = 1;

template <int width>
class Strip {
 public:
  static constexpr int strips = attention_strips(width);
  // Of scores, in units of log 2.
  static constexpr float scale = score_scale<width> * log2_e;

  __device__ __forceinline__ Strip(const SharedRows<width, 1>& queries, int strip) {
    q_.load(queries, 0, strip);
    out_.clear();
#pragma unroll
    for (int i = 0; i < strips * 2; ++i) {
      top_[i] = -CUDART_INF_F;
      sum_[i] = 0;
    }
  }

  /// Takes `tiles` tiles of keys in; the last of them ends at key `count` or before.
  template <int tiles, bool last>
  __device__ __forceinline__ void take(const SharedRows<width, 2>& keys, int tile, int count) {
    float scores[tiles][strips][2][4] = {};
#pragma unroll
    for (int t = 0; t < tiles; ++t) q_.add_products(keys, key_part, tile + t, scores[t]);
    if (last)
      hide_columns(scores[tiles - 1], count - (tile + tiles - 1) * tile_rows, -CUDART_INF_F);
#pragma unroll
    for (int i = 0; i < strips * 2; ++i) {
      raise<tiles>(scores, i);
      weigh<tiles>(scores, i);
    }
#pragma unroll
    for (int t = 0; t < tiles; ++t) out_.add_weighted(scores[t], keys, value_part, tile + t);
  }

  /// Takes the `left` tiles that are left, as many as `tiles` or fewer.
  template <int tiles>
  __device__ __forceinline__ void take_last(const SharedRows<width, 2>& keys, int tile, int left,
                                            int count) {
    if (left == tiles)
      take<tiles, true>(keys, tile, count);
    else if constexpr (tiles > 1)
      take_last<tiles - 1>(keys, tile, left, count);
  }

  /// Divides by the sums; `log_sums` is the place of the first row.
  __device__ __forceinline__ void finish(int first_row, int count, bf16* out, int64_t stride,
                                         float* log_sums) {
    const int lane = lane_of_warp();
#pragma unroll
    for (int i = 0; i < strips * 2; ++i) {
      sum_[i] += __shfl_xor_sync(whole_warp, sum_[i], 1);
      sum_[i] += __shfl_xor_sync(whole_warp, sum_[i], 2);
      out_.scale(i / 2, i % 2, sum_[i] > 0 ? __fdividef(1.0F, sum_[i]) : 0);
      const int row = first_row + i * 8 + lane / 4;
      if (lane % 4 == 0 && row < count)
        log_sums[row] = top_[i] * score_scale<width> + logf(sum_[i]);
    }
    store_rows(out_, first_row, count, out, stride);
  }

 private:
  // Makes the largest score so far that of row i, and what was summed relative to it.
  template <int tiles>
  __device__ __forceinline__ void raise(const float (&scores)[tiles][strips][2][4], int i) {
    float top = top_[i];
#pragma unroll
    for (int t = 0; t < tiles; ++t) {
#pragma unroll
      for (int k = 0; k < 4; ++k) top = fmaxf(top, scores[t][i / 2][k / 2][i % 2 * 2 + k % 2]);
    }
    top = fmaxf(top, __shfl_xor_sync(whole_warp, top, 1));
    top = fmaxf(top, __shfl_xor_sync(whole_warp, top, 2));
    const float factor = exp2_approximate((top_[i] - top) * scale);
    top_[i] = top;
    sum_[i] *= factor;
    out_.scale(i / 2, i % 2, factor);
  }

  template <int tiles>
  __device__ __forceinline__ void weigh(float (&scores)[tiles][strips][2][4], int i) {
    const float top = top_[i] * scale;
#pragma unroll
    for (int t = 0; t < tiles; ++t) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        float& score = scores[t][i / 2][k / 2][i % 2 * 2 + k % 2];
        score = exp2_approximate(fmaf(score, scale, -top));
        sum_[i] += score;
      }
    }
  }

  Operand<width, strips> q_;
  RowSums<width, strips> out_;
  float top_[strips * 2], sum_[strips * 2];
};

template <int width>
__global__ void __launch_bounds__(attention_threads, blocks_at_once(width))
    attention_forward_kernel(const __grid_constant__ AttentionForward work) {
  const HeadPlace place(work.shape);
  const int64_t column = int64_t{place.head} * width;
  const SharedAddress first = shared_address(dynamic_shared());
  const SharedRows<width, 2> keys(first);
  const SharedRows<width, 1> queries(first + attention_rows(width, place.keys) * keys.row_bytes);
  const int64_t key = place.first_key;
  queries.copy(0, work.q.values + place.first_query * work.q.stride + column, work.q.stride,
               place.queries);
  keys.copy(key_part, work.k.values + key * work.k.stride + column, work.k.stride, place.keys);
  keys.copy(value_part, work.v.values + key * work.v.stride + column, work.v.stride, place.keys);
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();
  const int64_t stride = int64_t{work.shape.heads} * width;
  constexpr int rows = tile_rows * attention_strips(width);
  constexpr int most = most_tiles(width);
  const int tiles = (place.keys + tile_rows - 1) / tile_rows;
  for (int strip = warp_of_block(); strip * rows < place.queries; strip += attention_warps) {
    Strip<width> own(queries, strip);
    int tile = 0;
    for (; tiles - tile > most; tile += most)
      own.template take<most, false>(keys, tile, place.keys);
    own.template take_last<most>(keys, tile, tiles - tile, place.keys);
    own.finish(strip * rows, place.queries, work.out + place.first_query * stride + column, stride,
               work.log_sums + place.head * work.shape.query_rows + place.first_query);
  }
}

template <int width>
int start(const AttentionForward& work, cudaStream_t stream) {
  const AttentionShape& s = work.shape;
  return launch(attention_forward_kernel<width>, blocks_of(s), attention_threads,
                attention_forward_bytes(width, s.queries.longest, s.keys.longest), stream, work);
}

}  // namespace

int attention_forward(const AttentionForward& work, cudaStream_t stream) {
  return work.shape.head_width == attention_width ? start<attention_width>(work, stream)
                                                  : start<2 * attention_width>(work, stream);
}

}  // namespace medcoss::cuda
