// Losses with their gradients on a device and on the CPU.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros.h>

#include <string>

#include "ops/autograd/feature_distance.h"
#include "ops/autograd/patch_loss.h"
#include "ops/autograd/word_loss.h"
#include "ops/compare.h"
#include "ops/cuda/library.h"
#include "ops/cuda/operations.h"
#include "support/cuda.h"

namespace medcoss {
namespace {

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

// Of the loss of patches and of words. A power of two: the fused gradient is rounded to bfloat16
// before it meets this factor, LibTorch's after; any other would be compared with two roundings for
// one.
constexpr double upstream = 0.5;

// By operations of LibTorch.
Results reference_patches(const at::Tensor& predicted, const at::Tensor& patches,
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

Results fused_patches(const at::Tensor& predicted, const at::Tensor& patches,
                      const at::Tensor& removed) {
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
  compare_results(name, fused_patches(predicted.to(device), patches.to(device), removed.to(device)),
                  reference_patches(predicted, patches, removed), report);
}

struct Words {
  int64_t rows, words, width;
};

constexpr int64_t nothing = -1;

Results word_results(const at::Tensor& loss, const at::Tensor& dx, const at::Tensor& dweight,
                     const at::Tensor& dbias, at::ScalarType type) {
  return {{"word loss", loss.detach().to(at::kFloat)},
          {"word dx", dx.to(type)},
          {"word dweight", dweight.to(type)},
          {"word dbias", dbias.to(type)}};
}

// By operations of LibTorch in float64, rounded where the fused ones round.
Results reference_words(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        const at::Tensor& id) {
  const at::ScalarType type = x.scalar_type();
  const auto rounded = [&](const at::Tensor& t) { return t.to(type).to(at::kDouble); };
  const at::AutoGradMode grad(true);
  const at::Tensor scores = rounded(at::mm(rounded(x), rounded(weight).t())).requires_grad_(true);
  const at::Tensor b = bias.to(at::kDouble);
  const at::Tensor loss = at::cross_entropy_loss(scores + b, id, {}, at::Reduction::Mean, nothing);
  loss.backward();
  const at::Tensor dscores = rounded(scores.grad()) * upstream;
  return word_results(loss, at::mm(dscores, rounded(weight)), at::mm(dscores.t(), rounded(x)),
                      dscores.sum(0), type);
}

Results fused_words(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const at::Tensor& id) {
  const at::AutoGradMode grad(true);
  const at::Tensor input = x.detach().requires_grad_(true);
  const at::Tensor w = weight.detach().requires_grad_(true);
  const at::Tensor b = bias.detach().requires_grad_(true);
  Shadows shadows;
  const at::Tensor loss = word_loss(input, w, b, id, shadows);
  (loss * upstream).backward();
  return word_results(loss, input.grad(), w.grad(), b.grad(), x.scalar_type());
}

void compare_words(const Words& s, at::ScalarType type, at::Device device,
                   OperationReport& report) {
  const at::Tensor x = drawn("x", {s.rows, s.width}, 0, 1).to(type);
  const at::Tensor weight = drawn("weight", {s.words, s.width}, 0, 1);
  const at::Tensor bias = drawn("bias", {s.words}, 0, 1);
  at::Tensor id = at::arange(s.rows).mul(7919).remainder(s.words);
  if (s.rows > 1) id.masked_fill_(at::arange(s.rows).remainder(3).eq(1), nothing);
  const auto on_device = [&](const at::Tensor& t) { return t.to(device); };
  // Where cuBLAS cuts a sum into parts, it may keep these in bfloat16; and a score on the other
  // side of a tie counts in a float32 loss.
  const double allowance = type == at::kBFloat16 ? 4 : 1;
  const std::string name =
      std::to_string(s.rows) + " of " + std::to_string(s.words) + " words, " + c10::toString(type);
  compare_results(name,
                  fused_words(on_device(x), on_device(weight), on_device(bias), on_device(id)),
                  reference_words(x, weight, bias, id), report, allowance);
}

// The losses of base steps with 128 samples: all of a student's features, three quarters of the
// patches, and every seventh word of texts of 40 to 112 tokens.
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
  const at::Tensor scores = at::randn({1408, 30'528}, options.dtype(at::kBFloat16));
  const at::Tensor bias = at::zeros({30'522}, options);
  const at::Tensor id = at::arange(1408, options.dtype(at::kLong));
  time_operation(
      "word_loss 1408x30522 bf16", 4 * static_cast<double>(scores.numel()), device,
      [&] { cuda_library().operations().word_loss(scores, bias, id); }, report);
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
  // Vocabularies that fill no step of 64 words, and one that does.
  for (const Words& s : {Words{33, 77, 64}, {130, 30'522, 96}, {16, 128, 768}, {1, 5, 8}}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      compare_words(s, type, device, report);
    }
  }
  if (report.timed) time_all(device, report);
}

}  // namespace medcoss
