// Work of one device, recorded once and started as a whole.
#pragma once

#include <cstdint>
#include <utility>

namespace medcoss {

/// A recorded run of operations with the memory that they use.
class CudaGraph {
 public:
  virtual ~CudaGraph() = default;
  /// Starts the recorded work on the current stream. It reads and writes the memory that it was
  /// recorded with.
  virtual void replay() = 0;
};

/// Names memory that graphs share. What one graph leaves there, another may overwrite, so graphs of
/// one pool are replayed on one stream and hand nothing over to each other in that memory.
using CudaPool = std::pair<uint64_t, uint64_t>;

}  // namespace medcoss
