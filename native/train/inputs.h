// From a batch as it crosses the boundary to what the network takes: checked, flipped, scaled, cut
// into patches.
#pragma once

#include "model/patch_embedding.h"
#include "model/size.h"
#include "model/text_embedding.h"
#include "train/step/mixup.h"
#include "train/trainer.h"

namespace medcoss {

/// On the batch's device, mixed as `mix` says. Throws E_ARGUMENT where shape or type do not fit the
/// network.
VisualInput prepare_visual(const Batch& batch, const ModelSize& size, const VisualMix& mix = {});
/// On the CPU, where values are checked too.
TextInput prepare_text(const TextBatch& batch, const ModelSize& size);

/// Throws E_ARGUMENT where the network's dimensions do not fit together.
void check_size(const ModelSize& size);

int64_t samples_of(const Batch& batch);

}  // namespace medcoss
