#include "addon/cuda.h"

#include <ATen/Context.h>

#include <mutex>

#include "addon/guard.h"
#include "addon/marshal.h"
#include "addon/reader.h"
#include "ops/cuda/library.h"
#include "support/cuda.h"
#include "support/error.h"

namespace medcoss::addon {

namespace {

[[noreturn]] void refuse_cuda(const std::string& problem) {
  throw Error("E_NO_CUDA", {{"device", "cuda"}, {"problem", problem}});
}

CudaLibrary& open_once(const std::string& path) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  if (has_cuda_library()) return cuda_library();
  CudaLibrary& library = open_cuda_library(path);
  if (library.version() != MEDCOSS_VERSION) {
    refuse_cuda("the kernel library has version " + library.version() + ", not " MEDCOSS_VERSION);
  }
  // The first backward pass of a process settles which devices LibTorch knows.
  if (!at::globalContext().hasCUDART()) {
    refuse_cuda("this process has trained on the CPU before; use CUDA first, or another process");
  }
  return library;
}

Napi::Object to_js(Napi::Env env, const CudaDevice& device) {
  const auto object = Napi::Object::New(env);
  object.Set("name", device.name);
  object.Set("capability", std::to_string(device.major) + "." + std::to_string(device.minor));
  object.Set("multiprocessors", device.multiprocessors);
  object.Set("memoryBytes", static_cast<double>(device.memory));
  return object;
}

Napi::Value OpenCuda(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    if (!info[0].IsString()) refuse("path", "a string", describe(info[0]));
    CudaLibrary& library = open_once(info[0].As<Napi::String>().Utf8Value());
    const auto devices = Napi::Array::New(info.Env());
    const int count = library.device_count();
    for (int i = 0; i < count; i++) {
      devices.Set(static_cast<uint32_t>(i), to_js(info.Env(), library.device(i)));
    }
    return devices;
  });
}

/// The only argument, a device.
int device_index(const Napi::CallbackInfo& info) {
  const auto object = Napi::Object::New(info.Env());
  object.Set("index", info[0]);
  return static_cast<int>(Reader(object, "arguments").integer("index", 0, 127));
}

Napi::Value FreeCudaMemory(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    const size_t bytes = cuda_library().free_memory(device_index(info));
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  });
}

Napi::Value PeakCudaMemory(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    const size_t bytes = cuda_library().peak_memory(device_index(info));
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  });
}

}  // namespace

void define_cuda(Napi::Env env, Napi::Object exports) {
  exports.Set("openCuda", Napi::Function::New(env, OpenCuda, "openCuda"));
  exports.Set("freeCudaMemory", Napi::Function::New(env, FreeCudaMemory, "freeCudaMemory"));
  exports.Set("peakCudaMemory", Napi::Function::New(env, PeakCudaMemory, "peakCudaMemory"));
}

}  // namespace medcoss::addon
