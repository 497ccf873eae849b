// Launch of a kernel over a grid. Errors stay in cudaGetLastError, where launchers look.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace medcoss::cuda {

constexpr int64_t divide_up(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

/// Whether every pointer may be read in accesses of `bytes`.
template <typename... T>
bool aligned(uintptr_t bytes, const T*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % bytes == 0) && ...);
}

template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, int threads, cudaStream_t stream,
            Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

inline dim3 grid_of(int64_t x, int64_t y = 1) {
  return dim3(static_cast<unsigned>(x), static_cast<unsigned>(y));
}

}  // namespace medcoss::cuda
