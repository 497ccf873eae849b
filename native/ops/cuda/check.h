// Failures of CUDA calls as exceptions. For launchers: host code that includes CUDA's headers.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "support/error.h"

namespace medcoss::cuda {

/// Throws Error E_CUDA for a failed call, E_OUT_OF_MEMORY where memory was the reason; clears
/// CUDA's record of an error from which the process can go on.
inline void check(cudaError_t code, const std::string& action) {
  if (code == cudaSuccess) return;
  cudaGetLastError();
  const std::string problem = action + ": " + cudaGetErrorString(code);
  if (code == cudaErrorMemoryAllocation)
    throw Error("E_OUT_OF_MEMORY", {{"device", "cuda"}, {"problem", problem}});
  throw Error("E_CUDA", {{"problem", problem}});
}

/// After every kernel launch: whether it was accepted. What fails while it runs is reported later.
inline void check_launch(const char* kernel) {
  check(cudaGetLastError(), std::string("launch of ") + kernel);
}

}  // namespace medcoss::cuda
