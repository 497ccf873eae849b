// Everything that a step reads beside weights and moments, as tensors that move between devices
// together.
//
// Invariant: whatever depends on values (ranges, lengths, numbers of labels, draws) is settled
// here, on the CPU; what follows needs shapes only, and so never waits for a device. Shape letters:
// B batch, L tokens or patches, N labelled words, W encoder width.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <optional>
#include <vector>

#include "model/encoder.h"
#include "model/packed_text.h"
#include "model/text_embedding.h"
#include "train/draws.h"
#include "train/step/mixup.h"
#include "train/step/objectives.h"
#include "train/trainer.h"

namespace medcoss {

struct StepMode {
  bool replay = false;
  /// Switches drop path and temporal draws on.
  bool training = false;
  /// Computes tokens that the loss does not need.
  bool whole_text = false;
};

struct StepInputs {
  StepMode mode;
  Batch batch;  // images and volumes, as they came
  TextInput text;
  /// In place of `text`: on a device, where padding has no say.
  std::optional<FilledText> filled;
  Labels labels;
  at::Tensor noise_BL;
  VisualMix mix;
  at::Tensor targets_BLW;  // in place of the teacher
  Stochastic student, teacher;

  int64_t samples = 0;
  /// Share of the loss in that of the step.
  double weight = 1;

  bool is_text() const { return text.ids_BL.defined() || filled; }
  /// All tensors, undefined ones too, always in the same order.
  std::vector<at::Tensor*> tensors();
};

/// What a step on `device` reads, on the CPU. Away from the CPU, shapes do not depend on draws, and
/// lengths of texts and numbers of labels are rounded up. Throws E_ARGUMENT.
StepInputs step_inputs(const TrainerOptions& options, at::Device device, const Batch& batch,
                       const StepDraws& draws, const StepMode& mode);

/// The same on another device.
StepInputs on_device(StepInputs inputs, at::Device device);

/// Fills up to a number of labels that many batches share, with some that weigh nothing.
void pad(Labels& labels);

}  // namespace medcoss
