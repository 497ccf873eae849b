// Runs kernels on the host, a block after another, as written: each thread of a block is a fiber.
//
// Fibers switch where they wait for others only. What CUDA leaves undefined ends the program with a
// message: a barrier that some threads do not reach, a shuffle that misses lanes.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static

inline dim3 gridDim, blockDim;
inline uint3 threadIdx, blockIdx;

namespace simt {

/// Runs `thread` in every thread of every block.
void run(dim3 grid, int threads, const std::function<void()>& thread);
void wait_for_block();
/// Gives `value` to the warp and returns that of lane `from`.
uint64_t exchange(uint64_t value, int from);
int lane();
/// Ends the program where `address` is shared memory, which is static on the host.
void require_global(const void* address);
/// Waits for the warp, or for the four warps around, and calls `act` once with what each thread has
/// brought, before any of them goes on.
using Act = void (*)(void* const* brought);
void with_warp(void* brought, Act act);
void with_four_warps(void* brought, Act act);
/// Lets others run; for a thread that looks again and again.
void give_way();

template <typename Value>
Value shuffle(Value value, int from) {
  static_assert(sizeof(Value) <= sizeof(uint64_t), "a register pair");
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(Value));
  word = exchange(word, from);
  std::memcpy(&value, &word, sizeof(Value));
  return value;
}

}  // namespace simt

inline void __syncthreads() {
  simt::wait_for_block();
}

template <typename Value>
Value __shfl_xor_sync(unsigned, Value value, int mask) {
  return simt::shuffle(value, simt::lane() ^ mask);
}

template <typename Value>
Value __shfl_sync(unsigned, Value value, int from) {
  return simt::shuffle(value, from);
}

using std::isfinite;

/// A store to global memory: elsewhere it faults, as on a device.
template <typename Word>
void __stcg(Word* to, Word word) {
  simt::require_global(to);
  *to = word;
}

inline float rsqrtf(float x) {
  return 1 / std::sqrt(x);
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline double __dadd_rn(double a, double b) {
  return a + b;
}
inline double __dmul_rn(double a, double b) {
  return a * b;
}
inline double __ddiv_rn(double a, double b) {
  return a / b;
}

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  simt::run(config->gridDim, static_cast<int>(config->blockDim.x), [&] { kernel(arguments...); });
  return cudaSuccess;
}
