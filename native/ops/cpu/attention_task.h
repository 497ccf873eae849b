// One sequence and head of attention as the CPU's kernels see it: pointers, strides, counts.
//
// Shape letters: Q queries, K keys, D width of a head.
#pragma once

#include <cstddef>
#include <cstdint>

namespace medcoss {

/// Rows of values of type T (float, or bfloat16 as its bits) that lie `stride` values apart.
template <typename T>
struct Rows {
  T* at;
  int64_t stride;
};

template <typename T>
struct AttentionTask {
  int64_t queries, keys, width;
  float scale;
  /// Query i sees keys 0 to i alone.
  bool causal;
  Rows<const T> q, k, v;
};

/// out = softmax(scale q k^T) v, and the logarithm of each row's sum of exponentials.
template <typename T>
struct AttentionForward {
  AttentionTask<T> task;
  Rows<T> out;
  float* log_sums;
};

/// Gradients of q, k and v from that of `out`.
template <typename T>
struct AttentionBackward {
  AttentionTask<T> task;
  Rows<const T> out, dout;
  const float* log_sums;
  Rows<T> dq, dk, dv;
};

/// Kernels for one kind of processor. `scratch` holds scratch_bytes(queries, keys, width) bytes,
/// aligned to 64.
template <typename T>
struct AttentionKernels {
  size_t (*scratch_bytes)(int64_t queries, int64_t keys, int64_t width);
  void (*forward)(const AttentionForward<T>& task, void* scratch);
  void (*backward)(const AttentionBackward<T>& task, void* scratch);
};

AttentionKernels<float> attention_kernels_anywhere();
#if defined(__x86_64__)
AttentionKernels<float> attention_kernels_avx2();
AttentionKernels<float> attention_kernels_avx512();
/// Needs bf16 products.
AttentionKernels<uint16_t> attention_kernels_bf16();
#endif

}  // namespace medcoss
