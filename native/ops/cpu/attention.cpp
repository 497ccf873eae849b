#include "ops/cpu/attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <cmath>

#include "ops/cpu/attention_task.h"

namespace medcoss::cpu {
namespace {

AttentionKernels<float> kernels(float) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return attention_kernels_avx512();
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return attention_kernels_avx2();
  }
#endif
  return attention_kernels_anywhere();
}

#if defined(__x86_64__)
AttentionKernels<uint16_t> kernels(uint16_t) {
  return attention_kernels_bf16();
}
#endif

// Whether bf16 products can be used: the processor has them, and heads consist of whole pairs.
bool pairs(const AttentionInput& input) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") && input.q_QW.size(1) / input.heads % 2 == 0;
#else
  static_cast<void>(input);
  return false;
#endif
}

// One head's rows of one sequence.
template <typename T>
struct Piece {
  const Sequences& sequences;
  int64_t sequence, head, width;

  Rows<T> of(const at::Tensor& x) const {
    using Plain = std::remove_const_t<T>;
    auto* values = static_cast<Plain*>(x.data_ptr());
    return {values + sequences.start(sequence) * x.stride(0) + head * width, x.stride(0)};
  }
};

template <typename T>
class Tasks {
 public:
  explicit Tasks(const AttentionInput& input)
      : in_(input),
        width_(input.q_QW.size(1) / input.heads),
        scale_(static_cast<float>(1 / std::sqrt(static_cast<double>(width_)))),
        kernels_(kernels(T())) {}

  void forward(const Attended& out) const {
    each([&](int64_t sequence, int64_t head, void* scratch) {
      if (in_.queries.length(sequence) == 0) return;
      const Piece<T> q{in_.queries, sequence, head, width_};
      float* log_sums = out.log_sums.data_ptr<float>() + head * out.log_sums.size(1);
      kernels_.forward(
          {task(sequence, head), q.of(out.out_QW), log_sums + in_.queries.start(sequence)},
          scratch);
    });
  }

  void backward(const Attended& out, const at::Tensor& dout_QW,
                const AttentionGradients& to) const {
    each([&](int64_t sequence, int64_t head, void* scratch) {
      const Piece<T> q{in_.queries, sequence, head, width_};
      const Piece<T> k{in_.keys, sequence, head, width_};
      const Piece<const T> read{in_.queries, sequence, head, width_};
      const float* log_sums = out.log_sums.data_ptr<float>() + head * out.log_sums.size(1);
      kernels_.backward(
          {task(sequence, head), read.of(out.out_QW), read.of(dout_QW),
           log_sums + in_.queries.start(sequence), q.of(to.dq_QW), k.of(to.dk_KW), k.of(to.dv_KW)},
          scratch);
    });
  }

 private:
  AttentionTask<T> task(int64_t sequence, int64_t head) const {
    const Piece<const T> q{in_.queries, sequence, head, width_};
    const Piece<const T> k{in_.keys, sequence, head, width_};
    return {in_.queries.length(sequence),
            in_.keys.length(sequence),
            width_,
            scale_,
            in_.causal,
            q.of(in_.q_QW),
            k.of(in_.k_KW),
            k.of(in_.v_KW)};
  }

  template <typename Body>
  void each(const Body& body) const {
    const auto bytes = kernels_.scratch_bytes(in_.queries.longest(), in_.keys.longest(), width_);
    at::parallel_for(0, in_.keys.count() * in_.heads, 1, [&](int64_t begin, int64_t end) {
      const at::Tensor scratch = at::empty({static_cast<int64_t>(bytes)}, at::kByte);
      for (int64_t i = begin; i < end; ++i) {
        body(i / in_.heads, i % in_.heads, scratch.data_ptr());
      }
    });
  }

  const AttentionInput& in_;
  int64_t width_;
  float scale_;
  AttentionKernels<T> kernels_;
};

AttentionInput in_floats(const AttentionInput& input) {
  AttentionInput copy = input;
  for (at::Tensor* x : {&copy.q_QW, &copy.k_KW, &copy.v_KW}) *x = x->to(at::kFloat);
  return copy;
}

at::Tensor empty_log_sums(const AttentionInput& input) {
  return at::empty({input.heads, input.queries.rows()}, at::kFloat);
}

}  // namespace

Attended attention(const AttentionInput& input) {
  const bool single = input.q_QW.scalar_type() == at::kFloat;
  if (!single && !pairs(input)) {
    Attended out = cpu::attention(in_floats(input));
    out.out_QW = out.out_QW.to(input.q_QW.scalar_type());
    return out;
  }
  Attended out{at::empty(input.q_QW.sizes(), input.q_QW.options()), empty_log_sums(input), {}, {}};
#if defined(__x86_64__)
  if (!single) {
    Tasks<uint16_t>(input).forward(out);
    return out;
  }
#endif
  Tasks<float>(input).forward(out);
  return out;
}

void attention_backward(const AttentionInput& input, const Attended& attended,
                        const at::Tensor& dout_QW, const AttentionGradients& gradients) {
  const bool single = input.q_QW.scalar_type() == at::kFloat;
  if (!single && !pairs(input)) {
    const AttentionInput floats = in_floats(input);
    const Attended out{attended.out_QW.to(at::kFloat), attended.log_sums, {}, {}};
    const AttentionGradients result{at::empty_like(floats.q_QW), at::empty_like(floats.k_KW),
                                    at::empty_like(floats.v_KW)};
    cpu::attention_backward(floats, out, dout_QW.to(at::kFloat), result);
    gradients.dq_QW.copy_(result.dq_QW);
    gradients.dk_KW.copy_(result.dk_KW);
    gradients.dv_KW.copy_(result.dv_KW);
    return;
  }
#if defined(__x86_64__)
  if (!single) return Tasks<uint16_t>(input).backward(attended, dout_QW, gradients);
#endif
  Tasks<float>(input).backward(attended, dout_QW, gradients);
}

}  // namespace medcoss::cpu
