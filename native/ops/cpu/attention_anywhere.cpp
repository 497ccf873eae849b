// Attention in float32 for any processor.
#include <cstdint>

#include "ops/cpu/attention_task.h"
#include "ops/cpu/block_gelu.h"

namespace medcoss {
namespace {

using Vector = float __attribute__((vector_size(16)));
constexpr int64_t tile_vectors = 2;

#include "ops/cpu/attention_float.h"
#include "ops/cpu/attention_kernel.h"

}  // namespace

AttentionKernels<float> attention_kernels_anywhere() {
  return {scratch_bytes, forward, backward};
}

}  // namespace medcoss
