// From JavaScript values to the plain structures of the trainer; ranges and shapes are checked
// here.
#pragma once

#include <napi.h>

#include "train/trainer.h"

namespace medcoss::addon {

TrainerOptions read_trainer_options(const Napi::Value& value);

// A batch that fits a model of `size`, in pinned memory where a device is to read it by itself.
Batch read_batch(const Napi::Value& value, const ModelSize& size, bool pinned);

// Refuses boxes [B,4] of top, left, height, width that leave an image of the given size.
void check_crops(const at::Tensor& crops_B4, int64_t height, int64_t width, const char* argument);

StepKey read_key(const Napi::Value& value);

struct StepOptions {
  double learning_rate = 0;
  bool replay = false;
  Injected injected;
};
// What is injected must have the shapes that `batch` asks for.
StepOptions read_step_options(const Napi::Value& value, const Batch& batch, const ModelSize& size);
ProbeOptions read_probe_options(const Napi::Value& value, const Batch& batch,
                                const ModelSize& size);

}  // namespace medcoss::addon
