// Multi-tensor AdamW on a CUDA device beside LibTorch's on the CPU.
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "ops/compare.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"
#include "support/formula.h"

namespace medcoss {
namespace {

constexpr double learning_rate = 1e-3;

struct State {
  at::Tensor value, gradient, average, square, steps, shadow;

  State(int64_t count, at::Device device, uint64_t seed, double gradient_scale = 0.1)
      : value(at::empty({count}, at::TensorOptions(device).dtype(at::kFloat))),
        gradient(at::empty_like(value)),
        average(at::zeros_like(value)),
        square(at::zeros_like(value)),
        steps(at::zeros({}, value.options())),
        shadow(at::zeros({count}, value.options().dtype(at::kBFloat16))) {
    fill_by_formula(value, "value", seed, 0, 1);
    fill_by_formula(gradient, "gradient", seed, 0, gradient_scale);
  }
  AdamwTensor slot(bool decays) const {
    return {value, gradient, average, square, steps, shadow, decays};
  }
};

// What torch.nn.utils.clip_grad_norm_ multiplies gradients by.
double clip_factor(double norm, double max_norm) {
  return max_norm == 0 ? 1 : std::min(1.0, max_norm / (norm + 1e-6));
}

void reference_step(State& s, const AdamwOptions& options, double norm, bool decays) {
  s.steps.add_(1);
  const at::Tensor gradient = s.gradient * clip_factor(norm, options.max_norm);
  at::_fused_adamw_({s.value}, {gradient}, {s.average}, {s.square}, {}, {s.steps}, learning_rate,
                    options.beta1, options.beta2, decays ? options.weight_decay : 0,
                    options.epsilon, false, false, std::nullopt, std::nullopt);
  s.shadow.copy_(s.value);
}

Results results_of(const State& s) {
  return {{"value", s.value},
          {"average", s.average},
          {"square", s.square},
          {"steps", s.steps},
          {"shadow", s.shadow}};
}

class Comparison {
 public:
  Comparison(at::Device device, OperationReport& report, double gradient_scale = 0.1)
      : device_(device), report_(report) {
    for (const int64_t count : {1, 3, 768, 16384, 100003, 589824}) {
      const auto seed = static_cast<uint64_t>(count);
      expected_.emplace_back(count, at::kCPU, seed, gradient_scale);
      found_.emplace_back(count, device, seed, gradient_scale);
    }
  }

  // With `share`, gradients are scaled down to that share of their norm.
  void step(const std::string& name, double loss, double share = 0) {
    const bool skips = !std::isfinite(loss);
    const double norm = gradient_norm();
    AdamwOptions options;
    options.max_norm = share * norm;
    std::vector<AdamwTensor> tensors;
    for (size_t i = 0; i < found_.size(); ++i) {
      tensors.push_back(found_[i].slot(i % 2 == 0));
      if (!skips) reference_step(expected_[i], options, norm, i % 2 == 0);
    }
    const auto scalar = at::TensorOptions(device_).dtype(at::kFloat);
    const at::Tensor outcome = cuda_library().operations().adamw(
        tensors, at::full({}, learning_rate, scalar), at::full({}, loss, scalar), options);
    at::Tensor expected_outcome = at::empty({2}, at::kDouble);
    expected_outcome[0].fill_(norm);
    expected_outcome[1].fill_(skips ? 1 : 0);
    compare_results("adamw " + name, {{"outcome", outcome}}, {{"outcome", expected_outcome}},
                    report_);
    for (size_t i = 0; i < found_.size(); ++i) {
      const std::string size = std::to_string(found_[i].value.numel()) + " values";
      compare_results("adamw " + name + " of " + size, results_of(found_[i]),
                      results_of(expected_[i]), report_);
    }
  }

 private:
  double gradient_norm() const {
    double squares = 0;
    for (const State& state : expected_)
      squares += state.gradient.to(at::kDouble).square().sum().item<double>();
    return std::sqrt(squares);
  }

  at::Device device_;
  OperationReport& report_;
  std::vector<State> expected_, found_;
};

// A tenth of the base model's parameters, in tensors of its feed-forward layers' size.
void time_step(at::Device device, OperationReport& report) {
  std::vector<AdamwTensor> tensors;
  int64_t values = 0;
  for (int i = 0; i < 9; ++i) {
    const State state(768 * 3072, device, 1);
    tensors.push_back(state.slot(true));
    values += state.value.numel();
  }
  const auto scalar = at::TensorOptions(device).dtype(at::kFloat);
  const at::Tensor rate = at::full({}, learning_rate, scalar);
  const at::Tensor loss = at::full({}, 1.0, scalar);
  // Gradients are read twice, once for their norm.
  time_operation(
      "adamw of 21M values", 34 * static_cast<double>(values), device,
      [&] { cuda_library().operations().adamw(tensors, rate, loss, {}); }, report);
}

}  // namespace

void compare_optimizer(at::Device device, OperationReport& report) {
  Comparison comparison(device, report);
  comparison.step("first", 1);
  comparison.step("second", 1);
  comparison.step("without a finite loss", std::numeric_limits<double>::quiet_NaN());
  comparison.step("third", 1);
  comparison.step("clipped", 1, 0.25);
  comparison.step("within its limit", 1, 2);
  // Norms of about 1e-6, where what is added to them counts.
  Comparison(device, report, 2e-9).step("clipped near zero", 1, 0.5);
  time_step(device, report);
}

}  // namespace medcoss
