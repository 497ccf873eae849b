// Mixing of replayed samples inside their modality (reference: MedCoSS, intra-modal mixup).
#pragma once

#include "model/patch_embedding.h"
#include "model/text_embedding.h"
#include "train/draws.h"

namespace medcoss {

/// Partner of each sample of a batch, int64 [B], and its own weight, float32 [B]. Undefined: none.
struct VisualMix {
  at::Tensor partner_B, weight_B;
};

/// x_i' = weight_i x_i + (1 - weight_i) x_partner(i).
VisualInput mixup(const VisualInput& input, const VisualMix& mix);

/// Each position takes its own token or the partner's. With `real_spans` only where both are real,
/// so lengths stay; otherwise token and padding travel together, and a sequence may get holes.
/// On the CPU.
TextInput mixup(const TextInput& input, const StepDraws& draws, bool real_spans);

}  // namespace medcoss
