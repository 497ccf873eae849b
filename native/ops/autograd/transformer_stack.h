// A run of pre-norm transformer blocks with a backward pass of its own.
//
// It keeps what backward needs and cannot make again cheaply (inputs of norms, projections, the
// output of attention, what enters GELU), and lets go of it block by block on the way back.
// Invariant: gradients of parameters are float32, whatever the type of products. Shape letters: N
// rows of all sequences, W width.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "ops/sequences.h"
#include "ops/shadows.h"
#include "ops/transformer_block.h"

namespace medcoss {

struct BlockParameters {
  HalfParameters attention, feed_forward;
};

/// Which sequences have which branch: two branches per block, attention first.
struct DropPath {
  /// Sequences that keep each branch, with `factor`. Empty: all branches are computed for all.
  std::vector<std::vector<int64_t>> survivors;
  double factor = 1;
  /// A factor per branch and sequence, where there are no survivors; undefined: 1.
  at::Tensor scale_SB;
};

/// Rows of the stream that the last block computes.
struct WantedRows {
  at::Tensor row_Q;  // int64; undefined: all
  /// By sequence, each row once and in order. Without sequences the rows may come in any order and
  /// more than once, but not with survivors.
  Sequences sequences;
};

struct StackInput {
  at::Tensor x_NW;  // float32
  Sequences sequences;
  int64_t heads;
  /// Of matrix products and what they make.
  at::ScalarType type;
  /// Keeps what enters each block alone, and computes the block once more on the way back.
  bool recomputes = false;
  /// A row sees none of its sequence behind it. Wanted rows are then without sequences.
  bool causal = false;
  DropPath drop;
  WantedRows wanted;
  /// The stream's rows as rows of `x_NW`; without, x_NW itself. Not with survivors in the first
  /// branch.
  std::optional<Expansion> expansion;

  StackInput(at::Tensor x, Sequences rows, int64_t head_count, at::ScalarType product_type)
      : x_NW(std::move(x)), sequences(std::move(rows)), heads(head_count), type(product_type) {}
};

/// The stream after the last block, float32 [N,W], or its wanted rows. `blocks` and `shadows`
/// outlive the backward pass.
at::Tensor transformer_stack(const StackInput& input, const std::vector<BlockParameters>& blocks,
                             Shadows& shadows);

}  // namespace medcoss
