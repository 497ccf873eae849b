// Multi-head attention inside sequences whose rows stand one after another, forward and backward,
// on either device.
//
// Invariant: a query sees the keys of its own sequence, all of them or those up to its own place.
// Sums are float32; results repeat bit by bit on the CPU. Shape letters: Q queries, K keys and
// values, W width of all heads.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/sequences.h"

namespace medcoss {

/// Rows may be parts of wider ones: stride 1 inside a row. Queries and keys have as many sequences;
/// a sequence may have no query.
struct AttentionInput {
  at::Tensor q_QW, k_KW, v_KW;  // one type, float32 or bfloat16
  Sequences queries, keys;
  int64_t heads = 1;
  /// A query sees no key behind its own place; then each row is a query and a key.
  bool causal = false;
};

/// Of a CUDA device: our kernel, or one of LibTorch's.
enum class AttentionKernel { own, efficient, flash, cudnn };

struct Attended {
  at::Tensor out_QW;
  /// Logarithms of the sums of exponentials, float32, as the device's kernel lays them out.
  at::Tensor log_sums;
  /// What CUDA's kernels want back.
  at::Tensor random_state, random_offset;
  /// Whose log_sums they are, and who goes back.
  AttentionKernel kernel = AttentionKernel::own;
};

/// softmax(q k^T / sqrt(W / heads)) v.
Attended attention(const AttentionInput& input);

/// Where gradients go: rows of their own or parts of wider ones.
struct AttentionGradients {
  at::Tensor dq_QW, dk_KW, dv_KW;
};

/// Returns the sums over rows of the three gradients beside each other, float32 [3W].
at::Tensor attention_backward(const AttentionInput& input, const Attended& attended,
                              const at::Tensor& dout_QW, const AttentionGradients& gradients);

}  // namespace medcoss
