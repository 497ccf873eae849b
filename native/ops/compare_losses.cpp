// Losses with their gradients on a device and on the CPU.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/var_mean.h>

#include <string>

#include "ops/autograd/feature_distance.h"
#include "ops/autograd/patch_loss.h"
#include "ops/compare.h"
#include "support/formula.h"

namespace medcoss {
namespace {

at::Tensor drawn(const char* name, at::IntArrayRef shape, double offset, double scale) {
  at::Tensor result = at::empty(shape, at::kFloat);
  fill_by_formula(result, name, 3, offset, scale);
  return result;
}

Results distance(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& real) {
  const at::AutoGradMode grad(true);
  const at::Tensor input = student.detach().requires_grad_(true);
  const at::Tensor loss = feature_distance(input, teacher, real);
  (loss * 0.7).backward();
  return {{"distillation loss", loss.detach()}, {"distillation gradient", input.grad()}};
}

void compare_distance(at::IntArrayRef shape, bool masked, at::Device device,
                      OperationReport& report) {
  const at::Tensor student = drawn("student", shape, 0, 1);
  const at::Tensor teacher = drawn("teacher", shape, 0, 1);
  at::Tensor real;
  if (masked) real = at::arange(shape[0] * shape[1]).remainder(3).ne(1).view({shape[0], shape[1]});
  const Results expected = distance(student, teacher, real);
  const at::Tensor moved = masked ? real.to(device) : real;
  const std::string name = std::to_string(shape[0] * shape[1]) + "x" + std::to_string(shape[2]);
  compare_results(name + (masked ? " masked" : ""),
                  distance(student.to(device), teacher.to(device), moved), expected, report);
}

struct Patches {
  int64_t samples, removed, all, values;
};

// A power of two: the fused gradient is rounded to bfloat16 before it meets this factor, LibTorch's
// after; any other would be compared with two roundings for one.
constexpr double upstream = 0.5;

// By operations of LibTorch.
Results reference(const at::Tensor& predicted, const at::Tensor& patches,
                  const at::Tensor& removed) {
  const at::AutoGradMode grad(true);
  const at::Tensor input = predicted.detach().requires_grad_(true);
  const at::Tensor index = removed.unsqueeze(-1).expand({-1, -1, patches.size(2)});
  const at::Tensor target = patches.gather(1, index);
  const auto [variance, mean] = at::var_mean(target, -1, true, true);
  const at::Tensor normal = (target - mean) * (variance + 1e-6).rsqrt();
  const at::Tensor loss = at::mse_loss(input.to(at::kFloat), normal);
  (loss * upstream).backward();
  return {{"patch loss", loss.detach()}, {"patch gradient", input.grad()}};
}

Results fused(const at::Tensor& predicted, const at::Tensor& patches, const at::Tensor& removed) {
  const at::AutoGradMode grad(true);
  const at::Tensor input = predicted.detach().requires_grad_(true);
  const at::Tensor loss = patch_loss(input, patches, removed);
  (loss * upstream).backward();
  return {{"patch loss", loss.detach()}, {"patch gradient", input.grad()}};
}

void compare_patches(const Patches& s, at::ScalarType type, at::Device device,
                     OperationReport& report) {
  const at::Tensor predicted = drawn("predicted", {s.samples, s.removed, s.values}, 0, 1).to(type);
  const at::Tensor patches = drawn("patches", {s.samples, s.all, s.values}, 2, 2);
  const at::Tensor removed =
      at::arange(s.samples * s.removed).mul(7).remainder(s.all).view({s.samples, s.removed});
  const std::string name = std::to_string(s.values) + " values " + c10::toString(type);
  compare_results(name, fused(predicted.to(device), patches.to(device), removed.to(device)),
                  reference(predicted, patches, removed), report);
}

// The losses of base steps with 128 images: all of a student's features, and three quarters of the
// patches.
void time_all(at::Device device, OperationReport& report) {
  const auto options = at::TensorOptions(device).dtype(at::kFloat);
  const at::Tensor student = at::randn({128, 50, 768}, options).requires_grad_(true);
  const at::Tensor teacher = at::randn({128, 50, 768}, options);
  const double features = static_cast<double>(teacher.numel());
  const at::AutoGradMode grad(true);
  time_operation(
      "distillation 6400x768 and backward", 20 * features, device,
      [&] {
        student.mutable_grad().reset();
        feature_distance(student, teacher).backward();
      },
      report);
  const at::Tensor predicted = at::randn({128, 147, 768}, options.dtype(at::kBFloat16));
  const at::Tensor patches = at::randn({128, 196, 768}, options);
  const at::Tensor removed =
      at::arange(147, options.dtype(at::kLong)).expand({128, 147}).contiguous();
  const double values = static_cast<double>(predicted.numel());
  time_operation(
      "patch_loss 18816x768 bf16", 8 * values, device,
      [&] { patch_loss(predicted, patches, removed); }, report);
}

}  // namespace

void compare_losses(at::Device device, OperationReport& report) {
  for (const bool masked : {false, true}) {
    compare_distance({7, 50, 192}, masked, device, report);
    compare_distance({10, 112, 768}, masked, device, report);
    compare_distance({3, 5, 77}, masked, device, report);
  }
  if (!device.is_cuda()) return;
  for (const Patches& s : {Patches{5, 147, 196, 768}, {3, 108, 144, 4096}, {2, 3, 4, 27}}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      compare_patches(s, type, device, report);
    }
  }
  time_all(device, report);
}

}  // namespace medcoss
