// Operations of ops/block.h on a device and on the CPU.
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/where.h>

#include <string>

#include "ops/block.h"
#include "ops/compare.h"

namespace medcoss {
namespace {

struct Shape {
  int64_t rows, width, samples;
};

struct Inputs {
  at::Tensor x, dx, branch, dy, gamma, factor;
  Norm norm;
  bool scaled;

  Inputs(const Shape& s, at::ScalarType type, bool with_scale)
      : x(drawn("x", {s.rows, s.width}, 0.5, 2)),
        dx(drawn("dx", {s.rows, s.width}, 0, 1)),
        branch(drawn("branch", {s.rows, s.width}, 0, 1).to(type)),
        dy(drawn("dy", {s.rows, s.width}, 0, 1).to(type)),
        gamma(drawn("gamma", {s.width}, 0, 1)),
        factor(drawn("factor", {s.samples}, 0.6, 0.5)),
        norm{drawn("weight", {s.width}, 1, 0.5), drawn("bias", {s.width}, 0, 1), 1e-5},
        scaled(with_scale) {
    // A dropped sample.
    if (s.samples > 1) factor[0].zero_();
  }

  void move(at::Device device) {
    for (at::Tensor* tensor :
         {&x, &dx, &branch, &dy, &gamma, &factor, &norm.weight_W, &norm.bias_W}) {
      *tensor = tensor->to(device);
    }
  }
  BranchScale scale() const { return scaled ? BranchScale{gamma, factor} : BranchScale{}; }
};

Results norms(const Inputs& in) {
  const at::Tensor dx = in.scaled ? in.dx : at::Tensor();
  const Normed normed = layer_norm(in.x, in.norm, in.branch.scalar_type());
  const NormGradients plain = layer_norm_backward(in.dy, dx, in.x, normed, in.norm);
  const ResidualNormed after = residual_layer_norm(in.x, in.branch, in.scale(), in.norm);
  const auto [norm, branch] =
      residual_layer_norm_backward(in.dy, dx, after, in.branch, in.scale(), in.norm);
  return {{"layer_norm y", normed.y_NW},
          {"layer_norm mean", normed.mean_N},
          {"layer_norm rstd", normed.rstd_N},
          {"layer_norm dx", plain.dx_NW},
          {"layer_norm dweight", plain.dweight_W},
          {"layer_norm dbias", plain.dbias_W},
          {"residual_layer_norm x", after.x_NW},
          {"residual_layer_norm y", after.normed.y_NW},
          {"residual_layer_norm dx", norm.dx_NW},
          {"residual_layer_norm dweight", norm.dweight_W},
          {"residual_layer_norm dbias", norm.dbias_W},
          {"residual_layer_norm dbranch", branch.dbranch_NW},
          {"residual_layer_norm dgamma", branch.dgamma_W},
          {"residual_layer_norm branch dbias", branch.dbias_W}};
}

// Every second row, the last first, gets one more.
at::Tensor added_rows(const Inputs& in) {
  const int64_t rows = in.branch.size(0);
  const at::Tensor row =
      at::arange(rows - 1, -1, -2, at::TensorOptions(at::kLong)).to(in.x.device());
  at::Tensor sum = in.branch.clone();
  add_rows(sum, row, in.dy.narrow(0, 0, row.size(0)));
  return sum;
}

// Of three rows' copies some are not there.
at::Tensor sums_of_copies(const Inputs& in) {
  const int64_t rows = in.branch.size(0);
  const at::Tensor all = at::arange(3 * rows, at::TensorOptions(at::kLong)).view({3, rows});
  const at::Tensor index = at::where(all.remainder(5).eq(2), -1, all.remainder(rows));
  if (in.branch.is_cpu()) {
    const at::Tensor named = in.branch.to(at::kFloat).index_select(0, index.clamp_min(0).flatten());
    return named.view({3, rows, -1}).mul(index.ge(0).unsqueeze(-1)).sum(1);
  }
  at::Tensor sums = at::empty({3, in.branch.size(1)}, in.x.options());
  sum_copies(in.branch, index.to(in.x.device()), sums);
  return sums;
}

Results others(const Inputs& in) {
  const BranchGradients residual = residual_add_backward(in.dx, in.branch, in.scale());
  const at::Tensor a = bias_gelu(in.branch, in.gamma);
  const GeluGradients gelu = bias_gelu_backward(in.dy, in.branch, in.gamma);
  const GeluGradients kept = bias_gelu_backward(in.dy, in.branch, in.gamma, a);
  return {{"residual_add x", residual_add(in.x, in.branch, in.scale())},
          {"residual_add dbranch", residual.dbranch_NW},
          {"residual_add dgamma", residual.dgamma_W},
          {"residual_add dbias", residual.dbias_W},
          {"added rows", added_rows(in)},
          {"sums of copies", sums_of_copies(in)},
          {"bias_gelu a", a},
          {"bias_gelu du beside the kept activation", kept.du_NH},
          {"bias_gelu a again", gelu.a_NH},
          {"bias_gelu du", gelu.du_NH},
          {"bias_gelu dbias", gelu.dbias_H},
          {"column_sums", column_sums(in.dy)}};
}

void compare_shape(const Shape& s, at::ScalarType type, bool scaled, at::Device device,
                   OperationReport& report) {
  Inputs in(s, type, scaled);
  const Results expected_norms = norms(in);
  const Results expected_others = others(in);
  in.move(device);
  const std::string name = std::to_string(s.rows) + "x" + std::to_string(s.width) + " " +
                           c10::toString(type) + (scaled ? " scaled" : "");
  compare_results(name, norms(in), expected_norms, report);
  compare_results(name, others(in), expected_others, report);
}

// A base model's encoder: 128 samples of 50 tokens, in bfloat16. Inputs are drawn: on constant ones
// a GPU may be faster.
void time_all(at::Device device, OperationReport& report) {
  const Shape s{6400, 768, 128};
  Inputs in(s, at::kBFloat16, true);
  in.move(device);
  const double values = static_cast<double>(s.rows * s.width);
  const ResidualNormed after = residual_layer_norm(in.x, in.branch, in.scale(), in.norm);
  const auto time = [&](const char* name, double bytes, const std::function<void()>& work) {
    time_operation(std::string(name) + " 6400x768 bf16", bytes * values, device, work, report);
  };
  time("layer_norm", 6, [&] { layer_norm(in.x, in.norm, at::kBFloat16); });
  time("layer_norm_backward", 14,
       [&] { layer_norm_backward(in.dy, in.dx, in.x, after.normed, in.norm); });
  time("residual_layer_norm", 12,
       [&] { residual_layer_norm(in.x, in.branch, in.scale(), in.norm); });
  time("residual_layer_norm_backward", 18,
       [&] { residual_layer_norm_backward(in.dy, in.dx, after, in.branch, in.scale(), in.norm); });
  const at::Tensor u = at::randn({6400, 3072}, in.branch.options());
  const at::Tensor bias = at::randn({3072}, in.gamma.options());
  const double hidden = static_cast<double>(u.numel());
  time_operation(
      "bias_gelu 6400x3072 bf16", 4 * hidden, device, [&] { bias_gelu(u, bias); }, report);
  time_operation(
      "bias_gelu_backward 6400x3072 bf16", 6 * hidden, device,
      [&] { bias_gelu_backward(u, u, bias, u); }, report);
  time_operation(
      "column_sums 6400x3072 bf16", 2 * hidden, device, [&] { column_sums(u); }, report);
}

}  // namespace

void compare_block(at::Device device, OperationReport& report) {
  // Each size of rows in registers, more rows than one pass of the blocks, then widths that do not
  // fit: beyond 1,024, and no multiple of four.
  const Shape shapes[] = {{500, 192, 10}, {1970, 512, 10}, {1250, 768, 25}, {100, 1024, 4},
                          {60, 1028, 3},  {98, 77, 7},     {1, 4, 1}};
  for (const Shape& shape : shapes) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (const bool scaled : {false, true}) compare_shape(shape, type, scaled, device, report);
    }
  }
  if (report.timed) time_all(device, report);
}

}  // namespace medcoss
