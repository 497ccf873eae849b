// The generator of golden weights and inputs: a hash of (name, index, seed), so that no checkpoint
// is needed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace medcoss {

/// Writes `count` numbers in [0,1) to `out`.
void formula(const std::string& name, int64_t count, uint64_t seed, double* out);

/// Fills a float32 tensor of any device with `offset + scale * (2 u - 1)`, row-major, computed in
/// float64.
void fill_by_formula(const at::Tensor& tensor, const std::string& name, uint64_t seed,
                     double offset, double scale);

}  // namespace medcoss
