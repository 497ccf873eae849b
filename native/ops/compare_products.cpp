// Products of a linear layer on a device and on the CPU in float64.
#include <ATen/ops/mm.h>

#include <string>

#include "ops/compare.h"
#include "ops/linear.h"

namespace medcoss {
namespace {

struct Shape {
  int64_t rows, in, out;
};

void compare_shape(const Shape& s, at::ScalarType type, at::Device device,
                   OperationReport& report) {
  const at::Tensor x = drawn("x", {s.rows, s.in}).to(type);
  const at::Tensor dy = drawn("dy", {s.rows, s.out}).to(type);
  const at::Tensor weight = drawn("weight", {s.out, s.in});
  const at::Tensor bias = drawn("bias", {s.out});
  const auto on_device = [&](const at::Tensor& t) { return t.to(device); };
  // Weights and biases are rounded to the type of the products, and so may gradients be.
  const auto exact = [&](const at::Tensor& t) { return t.to(type).to(at::kDouble); };
  const at::Tensor w = on_device(weight);
  const Results found = {
      {"linear", linear(on_device(x), w, on_device(bias))},
      {"linear without bias", linear(on_device(x), w)},
      {"linear dx", linear(on_device(dy), w.t())},
      {"linear dx of part", linear(on_device(dy).slice(1, s.out / 2), w.slice(0, s.out / 2).t())},
      {"linear dweight", weight_gradient(on_device(dy), on_device(x)).to(type)}};
  const at::Tensor y = at::mm(exact(x), exact(weight).t());
  const Results expected = {
      {"linear", (y + bias.to(at::kDouble)).to(type)},
      {"linear without bias", y.to(type)},
      {"linear dx", at::mm(exact(dy), exact(weight)).to(type)},
      {"linear dx of part",
       at::mm(exact(dy).slice(1, s.out / 2), exact(weight).slice(0, s.out / 2)).to(type)},
      {"linear dweight", at::mm(exact(dy).t(), exact(x)).to(type)}};
  const std::string name = std::string(at::toString(type)) + " [" + std::to_string(s.rows) + "," +
                           std::to_string(s.in) + "] to " + std::to_string(s.out);
  // Where cuBLAS cuts a sum into parts, it may keep these in bfloat16, as PyTorch's default is.
  const bool rounds_parts = device.is_cuda() && type == at::kBFloat16;
  compare_results(name, found, expected, report, rounds_parts ? 2 : 1);
}

}  // namespace

void compare_products(at::Device device, OperationReport& report) {
  // Sizes of the models; rows, columns and sums that fill neither words, panels nor tiles; sums
  // that take more than one pass; one row.
  const Shape shapes[] = {{800, 768, 768},  {197, 512, 1536}, {33, 3072, 768}, {50, 768, 3072},
                          {4099, 64, 192},  {65, 192, 100},   {7, 30, 34},     {1, 96, 20},
                          {129, 4100, 130}, {16, 17, 8}};
  for (const Shape& shape : shapes) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      compare_shape(shape, type, device, report);
    }
  }
}

}  // namespace medcoss
