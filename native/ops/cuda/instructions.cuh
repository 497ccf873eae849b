// The instructions of the kernels of k-means and attention that C++ has no words for, and their
// launch.
//
// Invariant: nothing here knows of either; a test that runs the kernels on the host has a header
// of its own with these functions.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math_constants.h>

#include <cstdint>

namespace medcoss::cuda {

using SharedAddress = uint32_t;

__device__ inline unsigned char* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char bytes[];
  return bytes;
}

__device__ inline SharedAddress shared_address(const void* pointer) {
  return static_cast<SharedAddress>(__cvta_generic_to_shared(pointer));
}

/// Four 8 x 8 matrices of 2-byte values; lane i names the row i % 8 of matrix i / 8.
__device__ inline void load_matrices(uint32_t (&out)[4], SharedAddress from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(from));
}

/// sums += rows [16,16] x centres [16,8], float16 with float32 sums.
__device__ inline void multiply_add(float (&sums)[4], const uint32_t (&rows)[4], uint32_t centre_0,
                                    uint32_t centre_1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(centre_0), "r"(centre_1));
}

/// Starts a copy of 16 bytes.
__device__ inline void copy_async(SharedAddress to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits for all but the last `pending` groups of this thread.
template <int pending>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

__device__ inline uint16_t to_half(float value) {
  return __half_as_ushort(__float2half_rn(value));
}
__device__ inline float from_half(uint16_t bits) {
  return __half2float(__ushort_as_half(bits));
}

/// Launches a kernel; the code that CUDA gives back.
template <typename... Parameters, typename... Arguments>
int launch(void (*kernel)(Parameters...), dim3 grid, int threads, int shared_bytes, void* stream,
           Arguments... arguments) {
  if (shared_bytes > 48 * 1024) {
    const cudaError_t code =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
    if (code != cudaSuccess) return code;
  }
  kernel<<<grid, threads, static_cast<size_t>(shared_bytes), static_cast<cudaStream_t>(stream)>>>(
      arguments...);
  return cudaGetLastError();
}

}  // namespace medcoss::cuda
