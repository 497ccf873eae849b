#include "train/device_steps.h"

#include <ATen/ops/clone.h>
#include <ATen/ops/empty.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <mutex>
#include <sstream>

#include "ops/cuda/library.h"
#include "support/cuda.h"

namespace medcoss {
namespace {

// A stream of the device's own; its default one would wait for every other trainer's.
c10::Stream new_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

// Memory that the device reads by itself, while the host goes on.
at::Tensor pinned(const at::Tensor& tensor) {
  if (tensor.is_pinned()) return tensor;
  const auto options = at::TensorOptions(tensor.dtype()).pinned_memory(true);
  return at::empty(tensor.sizes(), options).copy_(tensor);
}

// Everything that a graph of a step on `inputs` takes for granted.
std::string kind_of(StepParts& step, const std::string& variant) {
  std::ostringstream kind;
  kind << variant << std::hexfloat;
  for (const StepInputs& part : step.parts) {
    kind << ' ' << part.mode.replay << part.text.full << part.batch.index() << part.weight;
    if (const auto* volume = std::get_if<VolumeBatch>(&part.batch))
      kind << ' ' << volume->scale << ' ' << volume->offset;
  }
  for (const at::Tensor* tensor : step.tensors()) {
    kind << ';';
    if (tensor->defined()) kind << tensor->scalar_type() << tensor->sizes();
  }
  return kind.str();
}

template <typename Visit>
void for_each_defined(StepParts& step, const Visit& visit) {
  for (at::Tensor* tensor : step.tensors()) {
    if (tensor->defined()) visit(*tensor);
  }
}

std::vector<at::Tensor> tensors_of(StepParts& step) {
  std::vector<at::Tensor> tensors;
  for_each_defined(step, [&](const at::Tensor& tensor) { tensors.push_back(tensor); });
  return tensors;
}

// Freeing pinned memory, or memory that two streams have used, asks the device. One that is lost
// answers by an error, in a destructor, which would end the process; so what a lost device may
// still use is never freed.
void keep_for_good(const std::vector<at::Tensor>& tensors) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<at::Tensor>;
  const std::lock_guard<std::mutex> lock(mutex);
  kept.insert(kept.end(), tensors.begin(), tensors.end());
}

}  // namespace

DeviceSteps::DeviceSteps(at::Device device, bool graphs)
    : device_(device), graphs_(graphs), compute_(new_stream(device)), copies_(new_stream(device)) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.setDevice(device);
  guard.exchangeStream(compute_);
}

StartedStep DeviceSteps::start(StepParts step, const std::string& variant, const Update& update) {
  const int64_t samples = step.samples();
  const std::string kind = kind_of(step, variant);
  const std::vector<at::Tensor> host = tensors_of(step);
  try {
    upload(step);
    return started(run(kind, step, update), samples, host);
  } catch (const c10::AcceleratorError&) {
    keep_for_good(host);
    keep_for_good(tensors_of(step));
    throw;
  }
}

void DeviceSteps::forget() {
  // A graph that still runs needs its memory.
  compute_.synchronize();
  plans_.clear();
  pool_ = {};
  c10::getDeviceAllocator(device_.type())->emptyCache();
}

void DeviceSteps::upload(StepParts& step) {
  const c10::StreamGuard guard(copies_);
  for_each_defined(step, [&](at::Tensor& tensor) {
    tensor = pinned(tensor).to(device_, true, true);
    // Its memory is the copies' stream's; the next upload must not have it while a step reads it.
    tensor.record_stream(compute_);
  });
  c10::Event uploaded(device_.type());
  uploaded.record(copies_);
  uploaded.block(compute_);
}

at::Tensor DeviceSteps::run(const std::string& kind, StepParts& step, const Update& update) {
  if (!graphs_) return update(step);
  const auto found = plans_.find(kind);
  if (found == plans_.end()) {
    const at::Tensor report = update(step);
    plans_[kind];
    return report;
  }
  Plan& plan = found->second;
  if (!plan.graph) record(plan, step, update);
  const auto from = step.tensors();
  const auto to = plan.step.tensors();
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i]->defined()) to[i]->copy_(*from[i]);
  }
  plan.graph->replay();
  return plan.report;
}

void DeviceSteps::record(Plan& plan, const StepParts& step, const Update& update) {
  // What the step in eager form has left for reuse lies outside the graphs' memory.
  c10::getDeviceAllocator(device_.type())->emptyCache();
  if (pool_ == CudaPool{}) pool_ = cuda_library().make_pool();
  plan.step = step;
  for_each_defined(plan.step, [](at::Tensor& tensor) { tensor = tensor.clone(); });
  plan.graph = cuda_library().record(pool_, [&] { plan.report = update(plan.step); });
}

StartedStep DeviceSteps::started(const at::Tensor& report, int64_t samples,
                                 const std::vector<at::Tensor>& host) const {
  const at::Tensor row = at::empty({3}, at::TensorOptions(at::kDouble).pinned_memory(true));
  row.copy_(report, true);
  const auto event = std::make_shared<c10::Event>(device_.type());
  event->record(compute_);
  const auto result = [row, event, samples, host] {
    try {
      event->synchronize();
    } catch (const c10::AcceleratorError&) {
      keep_for_good(host);
      keep_for_good({row});
      throw;
    }
    const auto* values = row.const_data_ptr<double>();
    return StepResult{values[0], values[1], values[2] != 0, samples};
  };
  // An error is told by the result.
  const auto done = [event] {
    try {
      return event->query();
    } catch (const c10::AcceleratorError&) {
      return true;
    }
  };
  return {done, result};
}

}  // namespace medcoss
