// The fused operations of a device beside those of the CPU: for checks of a machine's GPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace medcoss {

struct OperationComparison {
  std::string name;
  /// ||found - expected|| / ||expected||, and what it may be at most.
  double error = 0;
  double bound = 0;
};

struct OperationTiming {
  std::string name;
  double microseconds = 0;
  /// The fewest that the operation must read and write.
  double bytes = 0;
};

struct OperationReport {
  std::vector<OperationComparison> comparisons;
  std::vector<OperationTiming> timings;
  /// Whether times are taken: on a CUDA device alone.
  bool timed = true;
};

/// Runs every operation, gradients included, on `device` and on the CPU, on the same inputs: widths
/// of the models, odd ones, and both compute types. Products are held to float64. On a CUDA device
/// they are timed too where `timed`, at the sizes of a base step.
OperationReport compare_operations(at::Device device, bool timed);

/// Numbers of `offset` +- `scale` by formula, float32 on the CPU.
at::Tensor drawn(const char* name, at::IntArrayRef shape, double offset = 0, double scale = 1);

/// Results of an operation by name.
using Results = std::vector<std::pair<std::string, at::Tensor>>;

/// Adds a comparison for each result. `allowance` widens the usual bound.
void compare_results(const std::string& name, const Results& found, const Results& expected,
                     OperationReport& report, double allowance = 1);

/// Adds the mean time of `work` on a CUDA device.
void time_operation(const std::string& name, double bytes, at::Device device,
                    const std::function<void()>& work, OperationReport& report);

/// The parts of compare_operations.
void compare_attention(at::Device device, OperationReport& report);
void compare_block(at::Device device, OperationReport& report);
void compare_losses(at::Device device, OperationReport& report);
void compare_products(at::Device device, OperationReport& report);
/// These two on CUDA devices only: on the CPU they are LibTorch's operations.
void compare_optimizer(at::Device device, OperationReport& report);
void compare_pictures(at::Device device, OperationReport& report);

}  // namespace medcoss
