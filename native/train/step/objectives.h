// The self-supervised objectives: masked patches, masked words, and distillation on replayed
// samples.
//
// Shape letters: B batch, L tokens, K kept patches, W encoder width, D decoder width.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/network.h"

namespace medcoss {

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
Outcome masked_words(const Network& network, const TextInput& input, const at::Tensor& labels_BL,
                     const Stochastic& stochastic);
/// The same with the encoder's whole output.
Outcome masked_words_whole(const Network& network, const TextInput& input,
                           const at::Tensor& labels_BL, const Stochastic& stochastic);

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

/// Cuts what every sequence of the batch has as padding. Exact for real tokens under every
/// attention mask, since none lets a query see beyond the longest sequence.
TextInput trimmed(const TextInput& input);

}  // namespace medcoss
