// The operations of ops/attention.h on the CPU: a head of a sequence at a time, whose scores stay
// in the cache.
#pragma once

#include "ops/attention.h"

namespace medcoss::cpu {

/// `log_sums` is [heads,Q].
Attended attention(const AttentionInput& input);
void attention_backward(const AttentionInput& input, const Attended& attended,
                        const at::Tensor& dout_QW, const AttentionGradients& gradients);

}  // namespace medcoss::cpu
