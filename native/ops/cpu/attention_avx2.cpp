// Attention in float32 for AVX2.
#if defined(__x86_64__)
#include <cstdint>

#include "ops/cpu/attention_task.h"
#include "ops/cpu/block_gelu.h"

#pragma GCC target("avx2,fma")

namespace medcoss {
namespace {

using Vector = float __attribute__((vector_size(32)));
constexpr int64_t tile_vectors = 2;

#include "ops/cpu/attention_float.h"
#include "ops/cpu/attention_kernel.h"

}  // namespace

AttentionKernels<float> attention_kernels_avx2() {
  return {scratch_bytes, forward, backward};
}

}  // namespace medcoss

#endif
