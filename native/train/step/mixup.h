// Mixing of replayed samples inside their modality (reference: MedCoSS, intra-modal mixup).
#pragma once

#include "model/patch_embedding.h"
#include "model/text_embedding.h"
#include "train/draws.h"

namespace medcoss {

/// x_i' = lambda_i x_i + (1 - lambda_i) x_partner(i).
VisualInput mixup(const VisualInput& input, const StepDraws& draws);

/// Each position takes its own token or the partner's. With `real_spans` only where both are real,
/// so lengths stay; otherwise token and padding travel together, and a sequence may get holes.
TextInput mixup(const TextInput& input, const StepDraws& draws, bool real_spans);

}  // namespace medcoss
