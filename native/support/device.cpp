#include "support/device.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "support/error.h"

namespace medcoss {
namespace {

constexpr const char* cuda = "cuda";

[[noreturn]] void no_cuda(const std::string& name, const std::string& problem) {
  throw Error("E_NO_CUDA", {{"device", name}, {"problem", problem}});
}

// The number behind `cuda:`, 0 without one.
int64_t index_of(const std::string& name) {
  constexpr size_t start = 5;
  if (name == cuda) return 0;
  const bool digits = name.size() > start && name.size() < start + 4 && name[start - 1] == ':' &&
                      name.find_first_not_of("0123456789", start) == std::string::npos;
  if (!digits) refuse("device", "cpu, cuda or cuda:N", name);
  return std::stoll(name.substr(start));
}

}  // namespace

bool has_bf16_products() {
#if defined(__x86_64__)
  // Every processor with AMX has this too.
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

at::Device find_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name.rfind(cuda, 0) != 0) refuse("device", "cpu, cuda or cuda:N", name);
  const int64_t index = index_of(name);
  if (!c10::impl::hasDeviceGuardImpl(at::kCUDA)) no_cuda(name, "LibTorch for CUDA is not loaded");
  const int64_t count = c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount();
  if (count == 0) no_cuda(name, "there is no GPU, or its driver is too old");
  if (index >= count) no_cuda(name, "there are " + std::to_string(count) + " devices");
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace medcoss
