#include "ops/compare.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <chrono>
#include <limits>

#include "ops/cuda/library.h"
#include "support/cuda.h"
#include "support/error.h"
#include "support/formula.h"

namespace medcoss {
namespace {

// Sums in another order, and products that are rounded or not before a sum; in bfloat16 also values
// that fall on the other side of a tie.
double bound_of(at::ScalarType type) {
  return type == at::kBFloat16 ? 2e-3 : type == at::kDouble ? 1e-9 : 1e-5;
}

double error_of(const at::Tensor& found, const at::Tensor& expected) {
  if (!found.defined() || !expected.defined()) {
    return found.defined() == expected.defined() ? 0 : std::numeric_limits<double>::infinity();
  }
  if (found.sizes() != expected.sizes() || found.scalar_type() != expected.scalar_type())
    return std::numeric_limits<double>::infinity();
  if (expected.numel() == 0) return 0;
  const at::Tensor reference = expected.to(at::kDouble);
  const double difference = (found.cpu().to(at::kDouble) - reference).norm().item<double>();
  const double size = reference.norm().item<double>();
  return size > 0 ? difference / size : difference;
}

}  // namespace

at::Tensor drawn(const char* name, at::IntArrayRef shape, double offset, double scale) {
  at::Tensor result = at::empty(shape, at::kFloat);
  fill_by_formula(result, name, 3, offset, scale);
  return result;
}

void compare_results(const std::string& name, const Results& found, const Results& expected,
                     OperationReport& report, double allowance) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [result, tensor] = expected[i];
    if (!tensor.defined() && !found[i].second.defined()) continue;
    const double bound = tensor.defined() ? allowance * bound_of(tensor.scalar_type()) : 0;
    report.comparisons.push_back({name + ": " + result, error_of(found[i].second, tensor), bound});
  }
}

void time_operation(const std::string& name, double bytes, at::Device device,
                    const std::function<void()>& work, OperationReport& report) {
  constexpr int warm_up = 3;
  constexpr int rounds = 20;
  CudaLibrary& library = cuda_library();
  for (int i = 0; i < warm_up; ++i) work();
  library.synchronize(device.index());
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) work();
  library.synchronize(device.index());
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
  report.timings.push_back({name, taken.count() / rounds, bytes});
}

OperationReport compare_operations(at::Device device, bool timed) {
  const at::NoGradGuard no_grad;
  OperationReport report;
  report.timed = timed && device.is_cuda();
  compare_attention(device, report);
  compare_block(device, report);
  compare_losses(device, report);
  compare_products(device, report);
  if (!device.is_cuda()) return report;
  compare_optimizer(device, report);
  compare_pictures(device, report);
  return report;
}

}  // namespace medcoss
