#include "ops/attention.h"

#include <ATen/ops/_efficient_attention_backward.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>

#include <optional>

#include "ops/cpu/attention.h"

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
      in.keys.longest(), 0, false, false);
  return {rows(out, in.q_QW.sizes()), log_sums, state, offset};
}

Attended efficient(const Shaped& s) {
  const AttentionInput& in = s.input;
  const auto [out, log_sums, seed, offset, longest_q, longest_k] = at::_efficient_attention_forward(
      batched(s, s.q(in.q_QW)), batched(s, s.k(in.k_KW)), batched(s, s.k(in.v_KW)), std::nullopt,
      s.query_starts, s.key_starts, in.queries.longest(), in.keys.longest(), 0, 0, true);
  return {rows(out, in.q_QW.sizes()), log_sums, seed, offset};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> flash_backward(const Shaped& s, const Attended& a,
                                                              const at::Tensor& dout_QW) {
  const AttentionInput& in = s.input;
  return at::_flash_attention_backward(
      s.q(dout_QW), s.q(in.q_QW), s.k(in.k_KW), s.k(in.v_KW), s.q(a.out_QW), a.log_sums,
      s.query_starts.value_or(at::Tensor()), s.key_starts.value_or(at::Tensor()),
      in.queries.longest(), in.keys.longest(), 0, false, a.random_state, a.random_offset);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> efficient_backward(const Shaped& s,
                                                                  const Attended& a,
                                                                  const at::Tensor& dout_QW) {
  const AttentionInput& in = s.input;
  const auto [dq, dk, dv, dbias] = at::_efficient_attention_backward(
      batched(s, s.q(dout_QW)), batched(s, s.q(in.q_QW)), batched(s, s.k(in.k_KW)),
      batched(s, s.k(in.v_KW)), std::nullopt, batched(s, s.q(a.out_QW)), s.query_starts,
      s.key_starts, in.queries.longest(), in.keys.longest(), a.log_sums, 0, a.random_state,
      a.random_offset, 0, false);
  return {dq, dk, dv};
}

}  // namespace

Attended attention(const AttentionInput& input) {
  if (input.q_QW.is_cpu()) return cpu::attention(input);
  const Shaped shaped(input);
  return input.q_QW.scalar_type() == at::kFloat ? efficient(shaped) : flash(shaped);
}

void attention_backward(const AttentionInput& input, const Attended& attended,
                        const at::Tensor& dout_QW, const AttentionGradients& gradients) {
  if (input.q_QW.is_cpu()) return cpu::attention_backward(input, attended, dout_QW, gradients);
  const Shaped shaped(input);
  const bool single = input.q_QW.scalar_type() == at::kFloat;
  const auto [dq, dk, dv] = single ? efficient_backward(shaped, attended, dout_QW)
                                   : flash_backward(shaped, attended, dout_QW);
  gradients.dq_QW.copy_(rows(dq, input.q_QW.sizes()));
  gradients.dk_KW.copy_(rows(dk, input.k_KW.sizes()));
  gradients.dv_KW.copy_(rows(dv, input.v_KW.sizes()));
}

}  // namespace medcoss
