// The instructions of the attention kernels that C++ has no words for.
//
// Invariant: nothing here knows of attention; a test that runs the kernels on the host has a header
// of its own with these functions.
#pragma once

#include <cuda_bf16.h>

#include "ops/cuda/instructions.cuh"

namespace medcoss::cuda {

/// As load_matrices, each matrix transposed.
__device__ inline void load_transposed_matrices(uint32_t (&out)[4], SharedAddress from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(from));
}

/// sums += a [16,16] x b [16,8], bfloat16 with float32 sums.
__device__ inline void multiply_add_bf16(float (&sums)[4], const uint32_t (&a)[4], uint32_t b_0,
                                         uint32_t b_1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_0), "r"(b_1));
}

/// Starts a copy of 16 bytes, or of as many zeros.
__device__ inline void copy_or_clear_async(SharedAddress to, const void* from, bool copied) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(copied ? 16 : 0)
               : "memory");
}

/// Two values rounded to bfloat16, the first in the lower half.
__device__ inline uint32_t pack_bf16(float low, float high) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

/// The two values of a word.
__device__ inline float2 unpack_bf16(uint32_t word) {
  return {__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000U)};
}

}  // namespace medcoss::cuda
