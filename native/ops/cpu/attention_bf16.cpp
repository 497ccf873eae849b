// Attention in bfloat16 for processors with bf16 products (AVX-512 BF16); scores and sums are
// float32.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

#include "ops/cpu/attention_task.h"
#include "ops/cpu/block_gelu.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,prefer-vector-width=512")

namespace medcoss {
namespace {

using Value = Bf16;
// A pair of values; it is read where values were written.
using Word = uint32_t __attribute__((may_alias));
using Vector = __m512;
using WordVector = __m512i;

constexpr int64_t per_word = 2;
constexpr int64_t lanes = 16;
constexpr int64_t tile_vectors = 4;

WordVector load_words(const Word* from) {
  return _mm512_loadu_si512(from);
}

void store_vector(float* to, Vector vector) {
  _mm512_storeu_ps(to, vector);
}

void store_values(Value* to, Vector vector) {
  const __m256bh rounded = _mm512_cvtneps_pbh(vector);
  __builtin_memcpy(to, &rounded, sizeof(rounded));
}

WordVector broadcast(Word word) {
  return _mm512_set1_epi32(static_cast<int>(word));
}

Vector multiply_add(Vector sum, WordVector a, WordVector b) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}

Word word_of(Value low, Value high) {
  return static_cast<Word>(low) | static_cast<Word>(high) << 16;
}

#include "ops/cpu/attention_kernel.h"

}  // namespace

AttentionKernels<uint16_t> attention_kernels_bf16() {
  return {scratch_bytes, forward, backward};
}

}  // namespace medcoss

#endif
