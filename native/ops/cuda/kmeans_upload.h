// Samples on their way to the GPU: through page-locked memory, on a stream of their own, so that a
// chunk travels while the one before it is worked on.
//
// Invariant: two slots; what a slot's last copy wrote is not overwritten before release(slot).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

namespace medcoss::cuda {

constexpr int upload_slots = 2;

class KmeansUpload {
 public:
  /// `most`: floats of the longest copy.
  KmeansUpload(at::Device device, int64_t most);
  ~KmeansUpload();

  /// Starts the copy of `count` floats; `from` may change when it returns.
  void start(int slot, const float* from, float* to, int64_t count);
  /// What is started on the current stream from now on sees the slot's copy.
  void wait(int slot);
  /// What was started on the current stream until now is the last that reads the slot's copy.
  void release(int slot);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A cudaStream_t: where ATen's work for the device goes.
void* current_stream(at::Device device);

/// Throws Error for a code other than 0 from starting `kernel`.
void launched(int code, const char* kernel);

}  // namespace medcoss::cuda
