// What the processor and the devices of this process can do.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace medcoss {

/// Whether the processor multiplies bf16 matrices in hardware (AVX-512 BF16 or AMX). Without it
/// LibTorch's bf16 products are slower than float32, so precision bf16 then computes its products
/// in float32.
bool has_bf16_products();

/// `cpu`, `cuda` or `cuda:1` as a device; a CUDA device always has its index. Throws E_ARGUMENT for
/// other names, E_NO_CUDA where LibTorch sees no such device.
at::Device find_device(const std::string& name);

}  // namespace medcoss
