// What the processor can do, asked once.
#pragma once

#include <string>

namespace medcoss {

/// Whether the processor multiplies bf16 matrices in hardware (AVX-512 BF16 or AMX). Without it
/// LibTorch's bf16 products are slower than float32, so precision bf16 then computes its products
/// in float32.
bool has_bf16_products();

/// Throws E_NO_CUDA for a device this build cannot use, E_ARGUMENT for a name that is none.
void check_device(const std::string& device);

}  // namespace medcoss
