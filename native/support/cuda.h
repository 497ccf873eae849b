// The addon's side of the kernel library (ops/cuda/library.h): found by name, never linked.
//
// Invariant: opened at most once per process and never closed, so the reference stays valid.
#pragma once

#include <string>

namespace medcoss {

class CudaLibrary;

/// Takes the kernel library that the loader has brought into the process from `path`. Throws
/// E_NO_CUDA where it is not there.
CudaLibrary& open_cuda_library(const std::string& path);

/// The kernel library. Throws E_NO_CUDA where it has not been opened.
CudaLibrary& cuda_library();

/// Whether cuda_library() would succeed.
bool has_cuda_library();

}  // namespace medcoss
