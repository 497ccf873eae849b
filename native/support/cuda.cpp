#include "support/cuda.h"

#include <dlfcn.h>

#include <atomic>

#include "support/error.h"

namespace medcoss {

namespace {

constexpr const char* entry = "medcoss_cuda_library";

std::atomic<CudaLibrary*> opened{nullptr};

[[noreturn]] void missing(const std::string& problem) {
  throw Error("E_NO_CUDA", {{"device", "cuda"}, {"problem", problem}});
}

}  // namespace

CudaLibrary& open_cuda_library(const std::string& path) {
  // Only what the loader has opened: it does so with LibTorch's libraries first, by absolute path.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (handle == nullptr) missing("the kernel library is not in the process");
  const auto get = reinterpret_cast<CudaLibrary* (*)()>(dlsym(handle, entry));
  if (get == nullptr) missing(path + " is no kernel library");
  opened = get();
  return *opened;
}

CudaLibrary& cuda_library() {
  CudaLibrary* library = opened;
  if (library == nullptr) missing("the kernel library was not loaded");
  return *library;
}

bool has_cuda_library() {
  return opened != nullptr;
}

}  // namespace medcoss
