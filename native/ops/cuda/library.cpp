// The kernel library's one exported symbol, and the facts about devices.
//
// Invariant: nothing here starts CUDA before a method is called, so the library loads on machines
// without a GPU or driver.
#include "ops/cuda/library.h"

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include "ops/cuda/check.h"
#include "support/error.h"

namespace medcoss {

namespace {

class Library final : public CudaLibrary {
 public:
  std::string version() const override { return MEDCOSS_VERSION; }

  int device_count() override {
    int count = 0;
    cuda::check(cudaGetDeviceCount(&count), "counting devices");
    return count;
  }

  CudaDevice device(int index) override {
    cudaDeviceProp properties{};
    cuda::check(cudaGetDeviceProperties(&properties, index), "reading the device");
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    CudaDevice result;
    cuda::check(cudaMemGetInfo(&result.free_memory, &result.total_memory), "reading its memory");
    result.name = properties.name;
    result.major = properties.major;
    result.minor = properties.minor;
    result.multiprocessors = properties.multiProcessorCount;
    return result;
  }

  void synchronize(int index) override {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
    cuda::check(cudaDeviceSynchronize(), "waiting for the device");
  }
};

}  // namespace

}  // namespace medcoss

extern "C" __attribute__((visibility("default"))) medcoss::CudaLibrary* medcoss_cuda_library() {
  static medcoss::Library library;
  return &library;
}
