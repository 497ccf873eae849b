// Attention of ops/attention.h on a device, on the CPU, and as plain formulas in float64.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <string>

#include "ops/attention.h"
#include "ops/compare.h"

namespace medcoss {
namespace {

struct Shape {
  std::string name;
  Sequences queries, keys;
  int64_t heads, head_width;
  bool causal = false;

  int64_t width() const { return heads * head_width; }
};

// Keys and values are parts of wider rows, and so are queries where each row asks.
struct Inputs {
  AttentionInput input;
  at::Tensor dout_QW;

  Inputs(const Shape& s, at::ScalarType type, at::Device device) {
    const int64_t width = s.width();
    const bool all_ask = s.queries.rows() == s.keys.rows();
    const at::Tensor rows =
        drawn("rows", {s.keys.rows(), (all_ask ? 3 : 2) * width}).to(type).to(device);
    const at::Tensor q = drawn("q", {s.queries.rows(), width}).to(type).to(device);
    input = {all_ask ? rows.narrow(1, 2 * width, width) : q,
             rows.narrow(1, 0, width),
             rows.narrow(1, width, width),
             on(s.queries, device),
             on(s.keys, device),
             s.heads,
             s.causal};
    dout_QW = drawn("dout", {s.queries.rows(), width}).to(type).to(device);
  }

 private:
  // Uneven lengths are on the device already, which is not waited for.
  static Sequences on(const Sequences& sequences, at::Device device) {
    if (device.is_cpu() || sequences.even()) return sequences;
    return Sequences::on_device(sequences.cumulated(device), sequences.owners(device),
                                sequences.longest());
  }
};

AttentionGradients gradients_of(const AttentionInput& in) {
  const int64_t width = in.q_QW.size(1);
  const at::Tensor rows = at::empty({in.k_KW.size(0), 2 * width}, in.k_KW.options());
  return {at::empty(in.q_QW.sizes(), in.q_QW.options()), rows.narrow(1, 0, width),
          rows.narrow(1, width, width)};
}

struct Outcome {
  Results rows;
  Results sums;  // over the rows
};

Outcome results_of(const Inputs& in) {
  const Attended attended = attention(in.input);
  const AttentionGradients d = gradients_of(in.input);
  const at::Tensor sums = attention_backward(in.input, attended, in.dout_QW, d);
  return {{{"out", attended.out_QW}, {"dq", d.dq_QW}, {"dk", d.dk_KW}, {"dv", d.dv_KW}},
          {{"sums", sums}}};
}

// Adds what one sequence gives.
void add_plain(const Inputs& in, int64_t sequence, const Results& to) {
  const AttentionInput& a = in.input;
  const auto rows = [&](const at::Tensor& x, const Sequences& of) {
    const at::Tensor own = x.narrow(0, of.start(sequence), of.length(sequence));
    return own.unflatten(1, {a.heads, -1}).transpose(0, 1);
  };
  const auto exact = [&](const at::Tensor& x, const Sequences& of) {
    return rows(x, of).to(at::kDouble);
  };
  const at::Tensor q = exact(a.q_QW, a.queries);
  const at::Tensor k = exact(a.k_KW, a.keys);
  const at::Tensor v = exact(a.v_KW, a.keys);
  const at::Tensor dout = exact(in.dout_QW, a.queries);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(2)));
  at::Tensor scores = q.matmul(k.transpose(1, 2)).mul(scale);
  if (a.causal) {
    const at::Tensor behind = at::ones(scores.sizes(), at::kBool).triu(1);
    scores = scores.masked_fill(behind, -std::numeric_limits<double>::infinity());
  }
  const at::Tensor weights = scores.softmax(-1);
  const at::Tensor dweights = dout.matmul(v.transpose(1, 2));
  const at::Tensor dscores = (weights * (dweights - (dweights * weights).sum(-1, true))).mul(scale);
  rows(to[0].second, a.queries).copy_(weights.matmul(v));
  rows(to[1].second, a.queries).copy_(dscores.matmul(k));
  rows(to[2].second, a.keys).copy_(dscores.transpose(1, 2).matmul(q));
  rows(to[3].second, a.keys).copy_(weights.transpose(1, 2).matmul(dout));
}

Outcome plain_results_of(const Inputs& in) {
  const auto zeros = [](const at::Tensor& x) { return at::zeros(x.sizes(), at::kDouble); };
  const AttentionInput& a = in.input;
  Results to = {
      {"out", zeros(a.q_QW)}, {"dq", zeros(a.q_QW)}, {"dk", zeros(a.k_KW)}, {"dv", zeros(a.v_KW)}};
  for (int64_t i = 0; i < a.queries.count(); ++i) {
    if (a.queries.length(i) > 0) add_plain(in, i, to);
  }
  const at::Tensor sums = at::cat({to[1].second.sum(0), to[2].second.sum(0), to[3].second.sum(0)});
  for (auto& [name, tensor] : to) tensor = tensor.to(a.q_QW.scalar_type());
  return {to, {{"sums", sums.to(at::kFloat)}}};
}

void compare_shape(const Shape& s, at::ScalarType type, at::Device device,
                   OperationReport& report) {
  const std::string name = "attention " + s.name + " of " + std::to_string(s.heads) + "x" +
                           std::to_string(s.head_width) + " " + c10::toString(type);
  const Inputs on_cpu(s, type, at::kCPU);
  const Outcome found = results_of(Inputs(s, type, device));
  const auto compare = [&](const std::string& with, const Outcome& expected) {
    // Weights are rounded too, each in another place; sums are of what was rounded, or was not yet.
    const double apart = type == at::kBFloat16 ? 300 : 3;
    compare_results(name + with, found.rows, expected.rows, report, 3);
    compare_results(name + with, found.sums, expected.sums, report, apart);
  };
  compare("", results_of(on_cpu));
  compare(" in float64", plain_results_of(on_cpu));
}

Sequences equal(int64_t count, int64_t length) {
  return Sequences::equal(count, length);
}

// Steps of base models: 128 samples of the encoder and of the decoder, where all rows ask or those
// that were removed, and packed texts.
std::vector<Shape> timed_shapes() {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 128; ++i) lengths.push_back(40 + i * 37 % 73);
  const Sequences texts(lengths);
  return {{"197", equal(128, 197), equal(128, 197), 16, 32},
          {"147 of 197", equal(128, 147), equal(128, 197), 16, 32},
          {"50", equal(128, 50), equal(128, 50), 12, 64},
          {"40 to 112", texts, texts, 12, 64}};
}

void time_shape(const Shape& s, at::Device device, OperationReport& report) {
  const Inputs in(s, at::kBFloat16, device);
  const Attended attended = attention(in.input);
  const AttentionGradients gradients = gradients_of(in.input);
  const std::string shape = " " + s.name + ", 128x" + std::to_string(s.heads) + "x" +
                            std::to_string(s.head_width) + " bf16";
  const auto queries = static_cast<double>(2 * s.queries.rows() * s.width());
  const auto keys = static_cast<double>(2 * s.keys.rows() * s.width());
  time_operation(
      "attention" + shape, 2 * queries + 2 * keys, device, [&] { attention(in.input); }, report);
  time_operation(
      "attention_backward" + shape, 4 * queries + 4 * keys, device,
      [&] { attention_backward(in.input, attended, in.dout_QW, gradients); }, report);
}

}  // namespace

void compare_attention(at::Device device, OperationReport& report) {
  for (const int64_t width : {24, 32, 64}) {
    const Sequences some({33, 0, 1, 80, 17});
    const Sequences uneven({33, 5, 1, 112, 64});
    const Shape shapes[] = {{"50", equal(3, 50), equal(3, 50), 3, width},
                            {"147 of 197", equal(2, 147), equal(2, 197), 2, width},
                            {"7", equal(3, 7), equal(3, 7), 1, width},
                            {"256", equal(1, 256), equal(1, 256), 1, width},
                            {"300", equal(1, 300), equal(1, 300), 1, width},
                            {"uneven", uneven, uneven, 2, width},
                            {"some of uneven", some, uneven, 3, width},
                            {"112 causal", equal(2, 112), equal(2, 112), 2, width, true},
                            {"uneven causal", uneven, uneven, 3, width, true}};
    for (const Shape& shape : shapes) {
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
        compare_shape(shape, type, device, report);
    }
  }
  if (!report.timed) return;
  for (const Shape& shape : timed_shapes()) time_shape(shape, device, report);
}

}  // namespace medcoss
