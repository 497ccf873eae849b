// Which rows each half of a stack computes.
#pragma once

#include <vector>

#include "ops/autograd/transformer_stack.h"

namespace medcoss {

/// Two plans per block, attention first.
std::vector<HalfPlan> stack_plan(const StackInput& input, size_t blocks);

}  // namespace medcoss
