#include "support/device.h"

#include "support/error.h"

namespace medcoss {

bool has_bf16_products() {
#if defined(__x86_64__)
  // Every processor with AMX has this too.
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

void check_device(const std::string& device) {
  if (device == "cpu") return;
  if (device.rfind("cuda", 0) != 0) refuse("device", "cpu or cuda", device);
  throw Error("E_NO_CUDA", {{"device", device}, {"problem", "this build trains on the CPU only"}});
}

}  // namespace medcoss
