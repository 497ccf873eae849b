// Runs CUDA kernels on the host, a block of threads at a time: every thread has a stack of its own,
// and gives way where it waits for its warp or its block.
//
// Invariant: a kernel's result is that of some order that a GPU could have run it in; a thread that
// waits for others that never come ends the program.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <functional>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct dim3 {
  unsigned x, y, z;
  explicit dim3(unsigned x_size = 1, unsigned y_size = 1, unsigned z_size = 1)
      : x(x_size), y(y_size), z(z_size) {}
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace grid {

constexpr int warp_size = 32;

/// Runs `thread` for every thread of every block.
void run(dim3 blocks, int threads, int shared_bytes, const std::function<void()>& thread);

/// Waits for all threads of the block that still run.
void wait_for_block();

/// Waits for the `size` threads around; the last of them calls `act` with what each has brought.
using Act = void (*)(void* const* brought);
void with_group(void* brought, int size, Act act);
inline void with_warp(void* brought, Act act) {
  with_group(brought, warp_size, act);
}

/// For waiting by other means: lets other threads run; says that waiting may be over.
void give_way();
void note_progress();

/// Shared memory whose size the launch named.
unsigned char* shared_memory();

/// Copies that a thread has started but not waited for.
void start_copy(void* to, const void* from);
void commit_copies();
void wait_for_copies(int pending);

}  // namespace grid

inline void __syncthreads() {
  grid::wait_for_block();
}
