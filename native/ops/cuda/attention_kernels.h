// Attention of bfloat16 heads over short sequences, as pointers and sizes. A block of threads has
// one head of one sequence, all of whose rows stand in its shared memory.
//
// Invariant: sums are float32 and run in a fixed order, without atomics; the same input gives the
// same bits. Shape letters: Q queries, K keys and values, W width of all heads.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

namespace medcoss::cuda {

constexpr int attention_warps = 4;
/// Rows of a sequence.
constexpr int attention_longest = 256;
/// Heads' widths are this or twice as much.
constexpr int attention_width = 32;

/// Rows of all heads, [rows,W], that stand `stride` values apart. Multiples of 16 bytes.
template <typename T>
struct HeadRows {
  T* values;
  int64_t stride;
};
using Heads = HeadRows<const __nv_bfloat16>;
using HeadGradients = HeadRows<__nv_bfloat16>;

/// Sequence i has the rows starts[i] to starts[i + 1], no more than `longest`; without starts all
/// have that length.
struct SequenceRows {
  const int32_t* starts;
  int longest;
};

struct AttentionShape {
  SequenceRows queries, keys;
  int sequences, heads, head_width;
  int64_t query_rows;
};

/// softmax(q k^T / sqrt(head_width)) v. Without keys, zeros.
struct AttentionForward {
  AttentionShape shape;
  Heads q, k, v;
  __nv_bfloat16* out;  // [Q,W]
  float* log_sums;     // [heads,Q], of the exponentials
};

struct AttentionBackward {
  AttentionShape shape;
  Heads q, k, v;
  const __nv_bfloat16* out;   // [Q,W]
  const __nv_bfloat16* dout;  // [Q,W]
  const float* log_sums;      // [heads,Q]
  HeadGradients dq, dk, dv;
  float* sums;  // [sequences,3,W]: of dq, dk and dv over the rows of each sequence
};

/// Rows in shared memory are filled up to whole strips: what a warp has at a time.
constexpr int attention_strips(int head_width) {
  return head_width == attention_width ? 2 : 1;
}
constexpr int attention_rows(int head_width, int rows) {
  const int unit = 16 * attention_strips(head_width);
  return (rows + unit - 1) / unit * unit;
}

/// In shared memory rows stand beside one another, as many as `parts`, and 16 bytes behind them, so
/// that any eight that are read together lie in different banks.
constexpr int attention_row_bytes(int head_width, int parts) {
  return head_width * 2 * parts + 16;
}

/// Bytes of shared memory, for the longest sequences.
constexpr int attention_forward_bytes(int head_width, int queries, int keys) {
  return attention_rows(head_width, queries) * attention_row_bytes(head_width, 1) +
         attention_rows(head_width, keys) * attention_row_bytes(head_width, 2);
}
constexpr int attention_sum_bytes(int head_width) {
  return attention_warps * 3 * head_width * 4;
}
constexpr int attention_backward_bytes(int head_width, int queries, int keys) {
  const int rows = attention_rows(head_width, queries) + attention_rows(head_width, keys);
  return attention_sum_bytes(head_width) + rows * attention_row_bytes(head_width, 2);
}

// What a block gets on compute capability 8.6, and on 8.0.
static_assert(attention_forward_bytes(32, attention_longest, attention_longest) <= 99 * 1024);
static_assert(attention_backward_bytes(32, attention_longest, attention_longest) <= 99 * 1024);
static_assert(attention_backward_bytes(64, 176, 176) <= 99 * 1024);
static_assert(attention_backward_bytes(64, attention_longest, attention_longest) <= 163 * 1024);

/// Both return CUDA's code of the launch.
int attention_forward(const AttentionForward& work, cudaStream_t stream);
int attention_backward(const AttentionBackward& work, cudaStream_t stream);

}  // namespace medcoss::cuda
