// AdamW over many tensors at once, with the norm of their gradients, as pointers and sizes.
//
// Invariant: the host decides nothing that depends on values. Where the loss or the norm is not
// finite, no tensor changes and no step is counted. Sums run in a fixed order.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

namespace medcoss::cuda {

struct AdamwSlot {
  float* value;
  const void* gradient;  // float32, or bfloat16 as `half_gradient` says; none: zeros
  float* average;
  float* square;
  float* steps;           // its own count of steps
  __nv_bfloat16* shadow;  // a copy of the value; none: not kept
  int64_t count;
  bool half_gradient, decays;
};

struct AdamwStep {
  double beta1, beta2, epsilon, weight_decay;
  double max_norm;             // gradients beyond it are scaled down to it; 0: never
  const float* learning_rate;  // on the device, as all pointers
  const float* loss;
  double* outcome;    // [2]: norm of all gradients, and 1 where nothing was changed
  double* workspace;  // adamw_workspace values
};

int64_t adamw_workspace(const std::vector<AdamwSlot>& slots);

void adamw(const std::vector<AdamwSlot>& slots, const AdamwStep& step, cudaStream_t stream);

}  // namespace medcoss::cuda
