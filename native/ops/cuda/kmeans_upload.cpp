#include "ops/cuda/kmeans_upload.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <array>
#include <string>

#include "ops/cuda/check.h"

namespace medcoss::cuda {

struct KmeansUpload::State {
  explicit State(at::Device on)
      : device(on), stream(c10::cuda::getStreamFromPool(false, on.index())) {}

  at::Device device;
  c10::cuda::CUDAStream stream;
  std::array<at::Tensor, upload_slots> staged;
  std::array<c10::cuda::CUDAEvent, upload_slots> copied;
  std::array<c10::cuda::CUDAEvent, upload_slots> released;
};

KmeansUpload::KmeansUpload(at::Device device, int64_t most)
    : state_(std::make_unique<State>(device)) {
  for (int slot = 0; slot < upload_slots; ++slot) {
    const auto options = at::TensorOptions().dtype(at::kFloat).pinned_memory(true);
    state_->staged[static_cast<size_t>(slot)] = at::empty({most}, options);
    release(slot);
  }
}

// Page-locked memory goes back only when nothing is copied from it any more.
KmeansUpload::~KmeansUpload() {
  cudaStreamSynchronize(state_->stream);
}

void KmeansUpload::start(int slot, const float* from, float* to, int64_t count) {
  const auto at = static_cast<size_t>(slot);
  state_->copied[at].synchronize();
  // Several threads of LibTorch's copy.
  const at::Tensor source = at::from_blob(const_cast<float*>(from), {count}, at::kFloat);
  state_->staged[at].narrow(0, 0, count).copy_(source);
  state_->released[at].block(state_->stream);
  check(
      cudaMemcpyAsync(to, state_->staged[at].data_ptr(), static_cast<size_t>(count) * sizeof(float),
                      cudaMemcpyHostToDevice, state_->stream),
      "copy of samples");
  state_->copied[at].record(state_->stream);
}

void KmeansUpload::wait(int slot) {
  state_->copied[static_cast<size_t>(slot)].block(
      c10::cuda::getCurrentCUDAStream(state_->device.index()));
}

void KmeansUpload::release(int slot) {
  state_->released[static_cast<size_t>(slot)].record(
      c10::cuda::getCurrentCUDAStream(state_->device.index()));
}

void* current_stream(at::Device device) {
  return c10::cuda::getCurrentCUDAStream(device.index()).stream();
}

void launched(int code, const char* kernel) {
  check(static_cast<cudaError_t>(code), std::string("launch of ") + kernel);
}

}  // namespace medcoss::cuda
