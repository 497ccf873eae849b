#include "ops/attention.h"

#include <ATen/SDPBackend.h>
#include <ATen/ops/_efficient_attention_backward.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_fused_sdp_choice.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention_backward.h>
#include <ATen/ops/cat.h>

#include <optional>

#include "ops/block.h"
#include "ops/cpu/attention.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"

namespace medcoss {
namespace {

// The rows as CUDA's kernels take them: [B,L,heads,D] where all sequences have one length,
// otherwise rows [N,heads,D] with cumulated lengths.
struct Shaped {
  const AttentionInput& input;
  bool even;
  std::optional<at::Tensor> query_starts, key_starts;

  explicit Shaped(const AttentionInput& attention_input)
      : input(attention_input), even(input.queries.even() && input.keys.even()) {
    if (even) return;
    query_starts = input.queries.cumulated(input.q_QW.device());
    key_starts = input.keys.cumulated(input.q_QW.device());
  }

  at::Tensor heads(const at::Tensor& x, const Sequences& sequences) const {
    const at::Tensor rows = x.unflatten(1, {input.heads, -1});
    return even ? rows.unflatten(0, {sequences.count(), sequences.longest()}) : rows;
  }
  at::Tensor q(const at::Tensor& x) const { return heads(x, input.queries); }
  at::Tensor k(const at::Tensor& x) const { return heads(x, input.keys); }
};

// float32 takes another kernel, which wants the axis of the batch whatever the lengths.
at::Tensor batched(const Shaped& shaped, const at::Tensor& x) {
  return shaped.even ? x : x.unsqueeze(0);
}

at::Tensor rows(const at::Tensor& x, at::IntArrayRef shape) {
  return x.reshape(shape);
}

Attended flash(const Shaped& s) {
  const AttentionInput& in = s.input;
  const auto [out, log_sums, state, offset, unused] = at::_flash_attention_forward(
      s.q(in.q_QW), s.k(in.k_KW), s.k(in.v_KW), s.query_starts, s.key_starts, in.queries.longest(),
      in.keys.longest(), 0, in.causal, false);
  return {rows(out, in.q_QW.sizes()), log_sums, state, offset, AttentionKernel::flash};
}

// As the kernel numbers them: none, or causal from the first query and key.
int64_t mask_type(const AttentionInput& input) {
  return input.causal ? 1 : 0;
}

Attended efficient(const Shaped& s) {
  const AttentionInput& in = s.input;
  const auto [out, log_sums, seed, offset, longest_q, longest_k] = at::_efficient_attention_forward(
      batched(s, s.q(in.q_QW)), batched(s, s.k(in.k_KW)), batched(s, s.k(in.v_KW)), std::nullopt,
      s.query_starts, s.key_starts, in.queries.longest(), in.keys.longest(), 0, mask_type(in),
      true);
  return {rows(out, in.q_QW.sizes()), log_sums, seed, offset, AttentionKernel::efficient};
}

using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

Three flash_backward(const Shaped& s, const Attended& a, const at::Tensor& dout_QW) {
  const AttentionInput& in = s.input;
  return at::_flash_attention_backward(
      s.q(dout_QW), s.q(in.q_QW), s.k(in.k_KW), s.k(in.v_KW), s.q(a.out_QW), a.log_sums,
      s.query_starts.value_or(at::Tensor()), s.key_starts.value_or(at::Tensor()),
      in.queries.longest(), in.keys.longest(), 0, in.causal, a.random_state, a.random_offset);
}

Three efficient_backward(const Shaped& s, const Attended& a, const at::Tensor& dout_QW) {
  const AttentionInput& in = s.input;
  const auto [dq, dk, dv, dbias] = at::_efficient_attention_backward(
      batched(s, s.q(dout_QW)), batched(s, s.q(in.q_QW)), batched(s, s.k(in.k_KW)),
      batched(s, s.k(in.v_KW)), std::nullopt, batched(s, s.q(a.out_QW)), s.query_starts,
      s.key_starts, in.queries.longest(), in.keys.longest(), a.log_sums, 0, a.random_state,
      a.random_offset, mask_type(in), false);
  return {dq, dk, dv};
}

// [B,heads,L,D], as cuDNN's kernels take and return even sequences.
at::Tensor by_head(const at::Tensor& x_BLHD) {
  return x_BLHD.transpose(1, 2);
}

Attended cudnn(const Shaped& s) {
  const AttentionInput& in = s.input;
  const auto result = at::_scaled_dot_product_cudnn_attention(
      by_head(s.q(in.q_QW)), by_head(s.k(in.k_KW)), by_head(s.k(in.v_KW)), std::nullopt, true);
  return {rows(by_head(std::get<0>(result)), in.q_QW.sizes()), std::get<1>(result),
          std::get<6>(result), std::get<7>(result), AttentionKernel::cudnn};
}

Three cudnn_backward(const Shaped& s, const Attended& a, const at::Tensor& dout_QW) {
  const AttentionInput& in = s.input;
  const auto [dq, dk, dv] = at::_scaled_dot_product_cudnn_attention_backward(
      by_head(s.q(dout_QW)), by_head(s.q(in.q_QW)), by_head(s.k(in.k_KW)), by_head(s.k(in.v_KW)),
      by_head(s.q(a.out_QW)), a.log_sums, a.random_state, a.random_offset, {}, {}, {},
      in.queries.longest(), in.keys.longest(), 0, false);
  return {by_head(dq), by_head(dk), by_head(dv)};
}

// Where ours does not fit (it has no causal form), that of LibTorch's kernels which it would take
// itself, as the device is; uneven sequences have but one.
AttentionKernel kernel_for(const Shaped& s) {
  const AttentionInput& in = s.input;
  if (!in.causal && cuda_library().operations().takes_attention(in)) return AttentionKernel::own;
  if (in.q_QW.scalar_type() == at::kFloat) return AttentionKernel::efficient;
  if (!s.even || in.causal) return AttentionKernel::flash;
  const int64_t choice =
      at::_fused_sdp_choice(by_head(s.q(in.q_QW)), by_head(s.k(in.k_KW)), by_head(s.k(in.v_KW)));
  const auto cudnn_attention = static_cast<int64_t>(at::SDPBackend::cudnn_attention);
  return choice == cudnn_attention ? AttentionKernel::cudnn : AttentionKernel::flash;
}

Three backward_by_libtorch(const Shaped& s, const Attended& a, const at::Tensor& dout_QW) {
  if (a.kernel == AttentionKernel::efficient) return efficient_backward(s, a, dout_QW);
  if (a.kernel == AttentionKernel::cudnn) return cudnn_backward(s, a, dout_QW);
  return flash_backward(s, a, dout_QW);
}

at::Tensor sums_of(const at::Tensor& dq, const at::Tensor& dk, const at::Tensor& dv) {
  return at::cat({column_sums(dq), column_sums(dk), column_sums(dv)});
}

}  // namespace

Attended attention(const AttentionInput& input) {
  if (input.q_QW.is_cpu()) return cpu::attention(input);
  const Shaped shaped(input);
  switch (kernel_for(shaped)) {
    case AttentionKernel::own:
      return cuda_library().operations().attention(input);
    case AttentionKernel::efficient:
      return efficient(shaped);
    case AttentionKernel::cudnn:
      return cudnn(shaped);
    case AttentionKernel::flash:
      break;
  }
  return flash(shaped);
}

at::Tensor attention_backward(const AttentionInput& input, const Attended& attended,
                              const at::Tensor& dout_QW, const AttentionGradients& gradients) {
  if (input.q_QW.is_cpu()) {
    cpu::attention_backward(input, attended, dout_QW, gradients);
    return sums_of(gradients.dq_QW, gradients.dk_KW, gradients.dv_KW);
  }
  if (attended.kernel == AttentionKernel::own) {
    return cuda_library().operations().attention_backward(input, attended, dout_QW, gradients);
  }
  const auto [dq, dk, dv] = backward_by_libtorch(Shaped(input), attended, dout_QW);
  const at::Tensor dq_QW = rows(dq, input.q_QW.sizes()).contiguous();
  const at::Tensor dk_KW = rows(dk, input.k_KW.sizes()).contiguous();
  const at::Tensor dv_KW = rows(dv, input.v_KW.sizes()).contiguous();
  gradients.dq_QW.copy_(dq_QW);
  gradients.dk_KW.copy_(dk_KW);
  gradients.dv_KW.copy_(dv_KW);
  return sums_of(dq_QW, dk_KW, dv_KW);
}

}  // namespace medcoss
