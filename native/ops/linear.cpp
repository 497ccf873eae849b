#include "ops/linear.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include "ops/cpu/packed_products.h"

namespace medcoss {
namespace {

// Pairs of bfloat16 values are summed together, and rows are read where they lie.
bool packs(const at::Tensor& x_MI) {
  const bool whole = x_MI.scalar_type() == at::kFloat || x_MI.size(1) % 2 == 0;
  return x_MI.is_cpu() && cpu::packs_products(x_MI.scalar_type()) && x_MI.size(0) > 0 && whole;
}

}  // namespace

bool takes_masters(at::Device device, at::ScalarType type) {
  return device.is_cpu() && cpu::packs_products(type);
}

at::Tensor linear(const at::Tensor& x_MI, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  if (packs(x_MI)) return cpu::packed_linear(x_MI, weight_OI, bias_O);
  const at::ScalarType type = x_MI.scalar_type();
  const at::Tensor weight_IO = weight_OI.to(type).t();
  return bias_O.defined() ? at::addmm(bias_O.to(type), x_MI, weight_IO) : at::mm(x_MI, weight_IO);
}

at::Tensor weight_gradient(const at::Tensor& dy_MO, const at::Tensor& x_MI) {
  if (packs(x_MI)) return cpu::packed_weight_gradient(dy_MO, x_MI);
  // cuBLAS writes its float32 sums as they are.
  if (x_MI.is_cuda()) return at::mm(dy_MO.t(), x_MI, at::kFloat);
  return at::mm(dy_MO.t(), x_MI).to(at::kFloat);
}

}  // namespace medcoss
