// Launchers of attention over short sequences.
#include <algorithm>

#include "ops/cuda/attention_kernels.h"
#include "ops/cuda/block_kernels.h"
#include "ops/cuda/launch_support.h"
#include "ops/cuda/launchers.h"

namespace medcoss::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr int64_t most_sequences = 65535;

int head_width(const AttentionInput& input) {
  return static_cast<int>(input.q_QW.size(1) / input.heads);
}

// Kernels read 16 bytes at a time.
bool in_chunks(const at::Tensor& x_NW) {
  const auto address = reinterpret_cast<uintptr_t>(x_NW.const_data_ptr());
  return x_NW.stride(1) == 1 && x_NW.stride(0) % 8 == 0 && address % 16 == 0;
}

bool fits_shared_memory(const AttentionInput& input) {
  int most = 0;
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                               input.q_QW.device().index()),
        "reading the device's shared memory");
  const int width = head_width(input);
  const auto queries = static_cast<int>(input.queries.longest());
  const auto keys = static_cast<int>(input.keys.longest());
  return attention_forward_bytes(width, queries, keys) <= most &&
         attention_backward_bytes(width, queries, keys) <= most;
}

// The shape, and what keeps its starts.
struct Shape {
  at::Tensor query_starts, key_starts;
  AttentionShape shape;

  explicit Shape(const AttentionInput& in)
      : query_starts(starts(in.queries, in.q_QW)), key_starts(starts(in.keys, in.k_KW)) {
    shape.queries = rows(query_starts, in.queries);
    shape.keys = rows(key_starts, in.keys);
    shape.sequences = static_cast<int>(in.queries.count());
    shape.heads = static_cast<int>(in.heads);
    shape.head_width = head_width(in);
    shape.query_rows = in.q_QW.size(0);
  }

 private:
  static at::Tensor starts(const Sequences& sequences, const at::Tensor& x_NW) {
    return sequences.even() ? at::Tensor() : sequences.cumulated(x_NW.device());
  }
  static SequenceRows rows(const at::Tensor& starts, const Sequences& sequences) {
    return {starts.defined() ? starts.const_data_ptr<int32_t>() : nullptr,
            static_cast<int>(sequences.longest())};
  }
};

Heads heads(const at::Tensor& x_NW) {
  return {values<Bf16>(x_NW), x_NW.stride(0)};
}
HeadGradients head_gradients(const at::Tensor& x_NW) {
  return {mutable_values<Bf16>(x_NW), x_NW.stride(0)};
}

}  // namespace

bool Launchers::takes_attention(const AttentionInput& input) {
  const int width = head_width(input);
  const int64_t longest = std::max(input.queries.longest(), input.keys.longest());
  const bool suits = input.q_QW.scalar_type() == at::kBFloat16 &&
                     (width == attention_width || width == 2 * attention_width) &&
                     longest <= attention_longest && input.queries.count() > 0 &&
                     input.queries.count() <= most_sequences;
  return suits && in_chunks(input.q_QW) && in_chunks(input.k_KW) && in_chunks(input.v_KW) &&
         fits_shared_memory(input);
}

Attended Launchers::attention(const AttentionInput& input) {
  const Launch launch(input.q_QW);
  const Shape shape(input);
  const Attended result{fresh(input.q_QW.sizes(), input.q_QW, at::kBFloat16),
                        fresh({input.heads, input.q_QW.size(0)}, input.q_QW, at::kFloat),
                        {},
                        {}};
  const int code =
      attention_forward({shape.shape, heads(input.q_QW), heads(input.k_KW), heads(input.v_KW),
                         mutable_values<Bf16>(result.out_QW), mutable_floats(result.log_sums)},
                        launch.stream);
  check(static_cast<cudaError_t>(code), "launch of attention");
  return result;
}

at::Tensor Launchers::attention_backward(const AttentionInput& input, const Attended& attended,
                                         const at::Tensor& dout_QW,
                                         const AttentionGradients& gradients) {
  const Launch launch(input.q_QW);
  const Shape shape(input);
  const int64_t sequences = input.queries.count();
  const int64_t width = input.q_QW.size(1);
  const at::Tensor dout = dout_QW.contiguous();
  const at::Tensor parts = fresh({sequences, 3 * width}, dout, at::kFloat);
  const at::Tensor sums = fresh({3 * width}, dout, at::kFloat);
  const int code = cuda::attention_backward(
      {shape.shape, heads(input.q_QW), heads(input.k_KW), heads(input.v_KW),
       values<Bf16>(attended.out_QW), values<Bf16>(dout), floats(attended.log_sums),
       head_gradients(gradients.dq_QW), head_gradients(gradients.dk_KW),
       head_gradients(gradients.dv_KW), mutable_floats(parts)},
      launch.stream);
  check(static_cast<cudaError_t>(code), "launch of attention_backward");
  sum_parts(floats(parts), sequences, 3 * width, mutable_floats(sums), launch.stream);
  check_launch("sums of attention_backward");
  return sums;
}

}  // namespace medcoss::cuda
