// Attention backward in one kernel. A warp has a strip of keys and goes through the queries for the
// gradients of keys and values, or a strip of queries and goes through the keys for the gradients
// of queries; weights are computed in both, and no warp waits for another.
//
// Invariant: which warp has a strip follows from lengths alone; sums of strips are added in order.
#include "ops/cuda/attention_rows.cuh"

namespace medcoss::cuda {
namespace {

constexpr int blocks_at_once = 3;

// What a query's weights need: 2^(score - log_sum) with its score in units of log 2; and the dot
// product of its output and the gradient of that.
struct Asked {
  float log_sum, dot;
};

// Parts of the rows of a query and of a key. Behind those of a query stands what was Asked.
enum Part { query_part = 0, dout_part = 1, key_part = 0, value_part = 1 };

// A head of a sequence in shared memory, and where it is from.
template <int width>
struct Head {
  static constexpr int row_bytes = attention_row_bytes(width, 2);
  const AttentionBackward& work;
  const HeadPlace& place;
  SharedRows<width, 2> queries, keys;

  /// [3,width], of a warp.
  __device__ static float* sums(int warp) {
    return reinterpret_cast<float*>(dynamic_shared()) + warp * 3 * width;
  }
  __device__ static Asked& asked(int query) {
    unsigned char* rows = dynamic_shared() + attention_sum_bytes(width);
    return *reinterpret_cast<Asked*>(rows + query * row_bytes + width * 4);
  }
  /// The head's first row among all.
  __device__ bf16* query_rows(const HeadGradients& rows) const {
    return rows.values + place.first_query * rows.stride + place.head * width;
  }
  __device__ bf16* key_rows(const HeadGradients& rows) const {
    return rows.values + place.first_key * rows.stride + place.head * width;
  }
};

constexpr int tiles_of(int rows) {
  return (rows + tile_rows - 1) / tile_rows;
}

template <int width>
__device__ __forceinline__ float dot_of(const uint4& x, const uint4& y) {
  const uint32_t left[] = {x.x, x.y, x.z, x.w};
  const uint32_t right[] = {y.x, y.y, y.z, y.w};
  float dot = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 a = unpack_bf16(left[i]);
    const float2 b = unpack_bf16(right[i]);
    dot = fmaf(a.x, b.x, fmaf(a.y, b.y, dot));
  }
#pragma unroll
  for (int step = 1; step < width / 8; step *= 2) dot += __shfl_xor_sync(whole_warp, dot, step);
  return dot;
}

// Each thread has 16 bytes of rows of `out` and `dout`, the same columns of each. Queries behind
// the last get no weight.
template <int width>
__device__ __forceinline__ void ask(const bf16* out, const bf16* dout, int64_t stride,
                                    const float* log_sums, int count) {
  constexpr int at_once = 4;
  const ThreadChunk<width> own;
  const int all = attention_rows(width, count);
  for (int first = own.row; first < all; first += at_once * own.rows_apart) {
    uint4 left[at_once];
    uint4 right[at_once];
#pragma unroll
    for (int i = 0; i < at_once; ++i) {
      const int row = min(first + i * own.rows_apart, count - 1);
      const int64_t at = row * stride + own.column;
      left[i] = *reinterpret_cast<const uint4*>(out + at);
      right[i] = *reinterpret_cast<const uint4*>(dout + at);
    }
#pragma unroll
    for (int i = 0; i < at_once; ++i) {
      const int row = first + i * own.rows_apart;
      const float dot = dot_of<width>(left[i], right[i]);
      if (own.column == 0 && row < all)
        Head<width>::asked(row) = {row < count ? log_sums[row] * log2_e : CUDART_INF_F, dot};
    }
  }
}

// Makes scores the weights, and gradients of weights those of scores.
__device__ __forceinline__ void differentiate(float& score, float& gradient, const Asked& asked,
                                              float scale) {
  score = exp2_approximate(fmaf(score, scale, -asked.log_sum));
  gradient = score * (gradient - asked.dot);
}

// Adds the sums over the rows to those of the warp. Lanes with the same columns share them out:
// each step leaves a lane half of the sums that it had.
template <int width, int strips>
__device__ __forceinline__ void add_column_sums(const RowSums<width, strips>& rows, float* sums) {
  constexpr int count = width / 4;
  float own[count];
#pragma unroll
  for (int k = 0; k < count; ++k) {
    own[k] = 0;
#pragma unroll
    for (int i = 0; i < strips * 2; ++i) own[k] += rows.at[i / 2][k / 2][i % 2 * 2 + k % 2];
  }
  const int lane = lane_of_warp();
  int first = 0;
#pragma unroll
  for (int step = 4; step < 32; step *= 2) {
    const int half = count * 2 / step;
    const bool upper = (lane & step) != 0;
    if (upper) first += half;
#pragma unroll
    for (int k = 0; k < half; ++k) {
      const float other = __shfl_xor_sync(whole_warp, upper ? own[k] : own[k + half], step);
      own[k] = (upper ? own[k + half] : own[k]) + other;
    }
  }
#pragma unroll
  for (int k = 0; k < count / 8; ++k)
    sums[(first + k) / 2 * 8 + lane % 4 * 2 + (first + k) % 2] += own[k];
}

template <int width>
__device__ __forceinline__ void strip_of_keys(const Head<width>& head, int strip) {
  constexpr int strips = attention_strips(width);
  const int column = lane_of_warp() % 4 * 2;
  Operand<width, strips> keys, values;
  keys.load(head.keys, key_part, strip);
  values.load(head.keys, value_part, strip);
  RowSums<width, strips> dk, dv;
  dk.clear();
  dv.clear();
  constexpr float scale = score_scale<width> * log2_e;
  const int tiles = tiles_of(head.place.queries);
  for (int tile = 0; tile < tiles; ++tile) {
    float weights[strips][2][4] = {};
    float gradients[strips][2][4] = {};
    keys.add_products(head.queries, query_part, tile, weights);
    values.add_products(head.queries, dout_part, tile, gradients);
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const Asked asked = head.asked(tile * tile_rows + k / 4 * 8 + column + k % 2);
#pragma unroll
      for (int i = 0; i < strips; ++i)
        differentiate(weights[i][k / 4][k % 4], gradients[i][k / 4][k % 4], asked, scale);
    }
    dv.add_weighted(weights, head.queries, dout_part, tile);
    dk.add_weighted(gradients, head.queries, query_part, tile);
  }
#pragma unroll
  for (int i = 0; i < strips * 2; ++i) dk.scale(i / 2, i % 2, score_scale<width>);
  const int first = strip * strips * tile_rows;
  const AttentionBackward& work = head.work;
  store_rows(dk, first, head.place.keys, head.key_rows(work.dk), work.dk.stride);
  store_rows(dv, first, head.place.keys, head.key_rows(work.dv), work.dv.stride);
  dk.clear_behind(head.place.keys - first);
  dv.clear_behind(head.place.keys - first);
  add_column_sums(dk, head.sums(warp_of_block()) + width);
  add_column_sums(dv, head.sums(warp_of_block()) + 2 * width);
}

template <int width>
__device__ __forceinline__ void strip_of_queries(const Head<width>& head, int strip) {
  constexpr int strips = attention_strips(width);
  const int lane = lane_of_warp();
  const int first = strip * strips * tile_rows;
  Operand<width, strips> queries, douts;
  queries.load(head.queries, query_part, strip);
  douts.load(head.queries, dout_part, strip);
  Asked asked[strips * 2];
#pragma unroll
  for (int i = 0; i < strips * 2; ++i) asked[i] = head.asked(first + i * 8 + lane / 4);
  RowSums<width, strips> dq;
  dq.clear();
  constexpr float scale = score_scale<width> * log2_e;
  const int tiles = tiles_of(head.place.keys);
  for (int tile = 0; tile < tiles; ++tile) {
    float weights[strips][2][4] = {};
    float gradients[strips][2][4] = {};
    queries.add_products(head.keys, key_part, tile, weights);
    douts.add_products(head.keys, value_part, tile, gradients);
#pragma unroll
    for (int k = 0; k < 8; ++k) {
#pragma unroll
      for (int i = 0; i < strips; ++i) {
        differentiate(weights[i][k / 4][k % 4], gradients[i][k / 4][k % 4],
                      asked[i * 2 + k % 4 / 2], scale);
      }
    }
    // Keys behind the last may have infinite weights.
    const int left = head.place.keys - tile * tile_rows;
    if (left < tile_rows) hide_columns(gradients, left, 0);
    dq.add_weighted(gradients, head.keys, key_part, tile);
  }
#pragma unroll
  for (int i = 0; i < strips * 2; ++i) dq.scale(i / 2, i % 2, score_scale<width>);
  const HeadGradients& to = head.work.dq;
  store_rows(dq, first, head.place.queries, head.query_rows(to), to.stride);
  add_column_sums(dq, head.sums(warp_of_block()));
}

// Starts the copies of the head's rows, and computes what weights need meanwhile.
template <int width>
__device__ __forceinline__ void fetch(const Head<width>& head) {
  const AttentionBackward& work = head.work;
  const HeadPlace& place = head.place;
  const int64_t column = place.head * width;
  const int64_t stride = int64_t{work.shape.heads} * width;
  const int64_t query = place.first_query;
  const int64_t key = place.first_key;
  const int64_t own = query * stride + column;
  head.queries.copy(query_part, work.q.values + query * work.q.stride + column, work.q.stride,
                    place.queries);
  head.queries.copy(dout_part, work.dout + own, stride, place.queries);
  head.keys.copy(key_part, work.k.values + key * work.k.stride + column, work.k.stride, place.keys);
  head.keys.copy(value_part, work.v.values + key * work.v.stride + column, work.v.stride,
                 place.keys);
  commit_copies();
  ask<width>(work.out + own, work.dout + own, stride,
             work.log_sums + place.head * work.shape.query_rows + query, place.queries);
  float* sums = head.sums(warp_of_block());
  for (int i = lane_of_warp(); i < 3 * width; i += 32) sums[i] = 0;
  wait_for_copies<0>();
}

template <int width>
__global__ void __launch_bounds__(attention_threads, blocks_at_once)
    attention_backward_kernel(const __grid_constant__ AttentionBackward work) {
  constexpr int rows = tile_rows * attention_strips(width);
  const HeadPlace place(work.shape);
  const SharedAddress first = shared_address(dynamic_shared()) + attention_sum_bytes(width);
  const int query_bytes = attention_rows(width, place.queries) * Head<width>::row_bytes;
  const Head<width> head{work, place, SharedRows<width, 2>(first),
                         SharedRows<width, 2>(first + query_bytes)};
  fetch(head);
  __syncthreads();
  const int key_strips = (place.keys + rows - 1) / rows;
  const int strips = key_strips + (place.queries + rows - 1) / rows;
  for (int strip = warp_of_block(); strip < strips; strip += attention_warps) {
    if (strip < key_strips)
      strip_of_keys(head, strip);
    else
      strip_of_queries(head, strip - key_strips);
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 3 * width; i += attention_threads) {
    float sum = 0;
    for (int warp = 0; warp < attention_warps; ++warp) sum += head.sums(warp)[i];
    work.sums[(int64_t{place.sequence} * 3 + i / width) * (work.shape.heads * width) +
              place.head * width + i % width] = sum;
  }
}

template <int width>
int start(const AttentionBackward& work, cudaStream_t stream) {
  const AttentionShape& s = work.shape;
  return launch(attention_backward_kernel<width>, blocks_of(s), attention_threads,
                attention_backward_bytes(width, s.queries.longest, s.keys.longest), stream, work);
}

}  // namespace

int attention_backward(const AttentionBackward& work, cudaStream_t stream) {
  return work.shape.head_width == attention_width ? start<attention_width>(work, stream)
                                                  : start<2 * attention_width>(work, stream);
}

}  // namespace medcoss::cuda
