// The self-supervised objectives: masked patches, masked words, and distillation on replayed
// samples.
//
// Shape letters: B batch, L tokens, K kept patches, W encoder width, D decoder width.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/network.h"

namespace medcoss {

/// What stands in a batch of labels where a word has none.
constexpr int64_t no_label = -100;

/// The labelled words of the first `length` tokens. An id of `no_label` weighs nothing.
struct Labels {
  at::Tensor position_N;  // int64, flat, of [B length]
  at::Tensor id_N;        // int64

  Labels() = default;
  Labels(const at::Tensor& labels_BL, int64_t length);
};

/// A loss and what was computed on the way to it.
struct Outcome {
  at::Tensor loss;     // float32 []
  at::Tensor encoded;  // [B,1+K,W]; text [B,L,W], undefined where only some rows were computed
  Masking masking;     // images and volumes
};

/// Mean squared error of normalised patches over the removed ones. Only these are predicted.
Outcome masked_patches(const Network& network, const VisualInput& input, const at::Tensor& noise,
                       const Stochastic& stochastic);

/// Cross-entropy of the labelled words, which alone get scores; without any it is not a number.
Outcome masked_words(const Network& network, const TextInput& input, const Labels& labels,
                     const Stochastic& stochastic);
/// The same with the encoder's whole output.
Outcome masked_words_whole(const Network& network, const TextInput& input, const Labels& labels,
                           const Stochastic& stochastic);

/// The same for texts without padding; positions are rows of these.
Outcome masked_words(const Network& network, const FilledText& text, const Labels& labels,
                     const Stochastic& stochastic);

/// Student and frozen teacher with their own randomness. Given targets, shaped as the student's
/// output, make the teacher unnecessary.
struct Pair {
  const Network& student;
  const Network* teacher;
  Stochastic student_draws, teacher_draws;
  at::Tensor targets_BLW = {};
};

/// Mean squared difference of the two encoders' outputs under shared masking.
Outcome distil(const Pair& pair, const VisualInput& mixed, const at::Tensor& noise);
/// The same for text, over all positions or over the real ones.
Outcome distil(const Pair& pair, const TextInput& mixed);

/// The same for texts without padding, over the real rows. Needs the teacher.
Outcome distil(const Pair& pair, const FilledText& mixed);

/// Cuts what every sequence of the batch has as padding, leaving a multiple of `step` tokens or
/// all. Exact for real tokens under every attention mask, since none lets a query see beyond the
/// longest sequence. On the CPU.
TextInput trimmed(const TextInput& input, int64_t step = 1);

}  // namespace medcoss
