// The named parameters of a network, in the order of the published state dict.
//
// Invariant: a list holds each name once; modules share the storage of the tensors they registered.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

namespace medcoss {

/// How a parameter starts.
struct Initial {
  enum class Kind { constant, normal, uniform };
  Kind kind = Kind::constant;
  /// The constant, the standard deviation, or the bound of a symmetric interval.
  double value = 0;

  static Initial constant(double value) { return {Kind::constant, value}; }
  static Initial normal(double deviation) { return {Kind::normal, deviation}; }
  static Initial uniform(double bound) { return {Kind::uniform, bound}; }
  /// Uniform in +-sqrt(6 / (rows + columns)).
  static Initial xavier(int64_t rows, int64_t columns);
};

struct Parameter {
  std::string name;
  at::Tensor tensor;  // float32, contiguous
  Initial initial;
  /// An embedding table, a token or a table of positions.
  bool table = false;
};

using ParameterList = std::vector<Parameter>;

/// Adds parameters to a list under a common prefix.
class Scope {
 public:
  Scope(ParameterList& list, bool trainable, at::Device device)
      : list_(list), trainable_(trainable), device_(device) {}

  /// The scope of a module: names get `module.` in front.
  Scope within(const std::string& module) const;
  at::Tensor add(const std::string& name, at::IntArrayRef shape, Initial initial) const;
  /// A table or token, which the golden formula scales differently; `fixed` ones are never trained.
  at::Tensor add_table(const std::string& name, at::IntArrayRef shape, double deviation,
                       bool fixed = false) const;

 private:
  at::Tensor insert(const std::string& name, at::IntArrayRef shape, Initial initial, bool table,
                    bool trainable) const;

  ParameterList& list_;
  bool trainable_;
  at::Device device_;
  std::string prefix_;
};

}  // namespace medcoss
