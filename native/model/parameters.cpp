#include "model/parameters.h"

#include <ATen/ops/empty.h>

#include <cmath>

namespace medcoss {

Initial Initial::xavier(int64_t rows, int64_t columns) {
  return uniform(std::sqrt(6.0 / static_cast<double>(rows + columns)));
}

Scope Scope::within(const std::string& module) const {
  Scope inner = *this;
  inner.prefix_ += module + ".";
  return inner;
}

at::Tensor Scope::add(const std::string& name, at::IntArrayRef shape, Initial initial) const {
  return insert(name, shape, initial, false, trainable_);
}

at::Tensor Scope::add_table(const std::string& name, at::IntArrayRef shape, double deviation,
                            bool fixed) const {
  return insert(name, shape, Initial::normal(deviation), true, trainable_ && !fixed);
}

at::Tensor Scope::insert(const std::string& name, at::IntArrayRef shape, Initial initial,
                         bool table, bool trainable) const {
  at::Tensor tensor = at::empty(shape, at::TensorOptions(device_).dtype(at::kFloat));
  tensor.set_requires_grad(trainable);
  list_.push_back({prefix_ + name, tensor, initial, table});
  return tensor;
}

}  // namespace medcoss
