// Attention in float32 for AVX-512.
#if defined(__x86_64__)
#include <cstdint>

#include "ops/cpu/attention_task.h"
#include "ops/cpu/block_gelu.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")

namespace medcoss {
namespace {

using Vector = float __attribute__((vector_size(64)));
constexpr int64_t tile_vectors = 4;

#include "ops/cpu/attention_float.h"
#include "ops/cpu/attention_kernel.h"

}  // namespace

AttentionKernels<float> attention_kernels_avx512() {
  return {scratch_bytes, forward, backward};
}

}  // namespace medcoss

#endif
