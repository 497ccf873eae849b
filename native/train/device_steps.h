// The steps of a trainer on an accelerator: each is uploaded while the one before it runs, and
// started as one graph.
//
// Invariant: a graph is recorded for one set of shapes and replayed for no other; the host waits
// for the device only in `StartedStep::result`. Used on one thread, whose current stream this sets.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ops/cuda/graph.h"
#include "train/step/parts.h"
#include "train/trainer.h"

namespace medcoss {

class DeviceSteps {
 public:
  /// Enqueues a step on inputs of the device, and returns its report, float64 [3].
  using Update = std::function<at::Tensor(const StepParts&)>;

  /// Without `graphs`, operations are started one by one.
  DeviceSteps(at::Device device, bool graphs);

  /// Starts a step. `variant` tells apart what shapes of inputs do not: a step of the same shapes
  /// and variant does the same work. The first of its kind is started operation by operation, which
  /// makes what a graph must find ready; the second is recorded. Throws c10::AcceleratorError, and
  /// so does the result, where the device is lost; the process goes on.
  StartedStep start(StepParts step, const std::string& variant, const Update& update);

  /// Drops all graphs with their memory, and what LibTorch keeps for reuse.
  void forget();

 private:
  struct Plan {
    StepParts step;
    at::Tensor report;
    std::unique_ptr<CudaGraph> graph;
  };

  void upload(StepParts& step);
  at::Tensor run(const std::string& kind, StepParts& step, const Update& update);
  void record(Plan& plan, const StepParts& step, const Update& update);
  /// `host` is what the device may still read.
  StartedStep started(const at::Tensor& report, int64_t samples,
                      const std::vector<at::Tensor>& host) const;

  at::Device device_;
  bool graphs_;
  c10::Stream compute_, copies_;
  CudaPool pool_{};
  std::map<std::string, Plan> plans_;
};

}  // namespace medcoss
