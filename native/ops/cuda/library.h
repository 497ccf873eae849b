// What the kernel library offers to the addon: all that needs CUDA's or libtorch_cuda's symbols.
//
// Invariant: no CUDA header here, so that the addon, which links none of CUDA's libraries, can call
// it. Both are built from the same sources at the same time; the methods are no stable interface.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "ops/cpu/kmeans.h"
#include "ops/cuda/graph.h"

namespace medcoss {

class CudaOperations;

struct CudaDevice {
  std::string name;
  /// Compute capability, for example 9 and 0.
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
  /// Bytes.
  std::size_t memory = 0;
};

/// Methods throw E_CUDA where the driver or a kernel reports a failure.
class CudaLibrary {
 public:
  virtual ~CudaLibrary() = default;

  /// The version of the addon that this library was built with.
  virtual std::string version() const = 0;

  /// The devices that the driver offers, at least one. Throws E_NO_CUDA without a driver, with one
  /// that is older than this library, and without a device.
  virtual int device_count() = 0;
  /// Facts of a device below device_count(), which does not start it.
  virtual CudaDevice device(int index) = 0;
  /// Bytes that are free on a device. Starts it: a driver or device that is broken shows here.
  virtual std::size_t free_memory(int index) = 0;
  /// The most bytes of a device that LibTorch has held for this process.
  virtual std::size_t peak_memory(int index) = 0;
  /// Waits until everything that was started on a device is done.
  virtual void synchronize(int index) = 0;

  /// K-means of samples on the host, with the rules of the CPU's; see ops/cuda/kmeans_lloyd.h.
  virtual KmeansResult kmeans(const KmeansOptions& options, int index) = 0;

  /// The fused operations.
  virtual CudaOperations& operations() = 0;

  /// Memory for graphs, which lasts as long as one of them.
  virtual CudaPool make_pool() = 0;
  /// Records what `work` starts on the current stream, and on LibTorch's threads of gradients,
  /// without running it. What `work` throws comes through, and the stream stays usable.
  virtual std::unique_ptr<CudaGraph> record(const CudaPool& pool,
                                            const std::function<void()>& work) = 0;
};

}  // namespace medcoss
