// Graphs by LibTorch, whose allocator keeps the memory that a graph uses.
#pragma once

#include <functional>
#include <memory>

#include "ops/cuda/graph.h"

namespace medcoss::cuda {

CudaPool make_pool();

/// Records what `work` starts on the current stream, which is none of the device's default, and on
/// LibTorch's threads of gradients. Nothing of it runs. What `work` throws comes through, and the
/// stream stays usable.
std::unique_ptr<CudaGraph> record_graph(const CudaPool& pool, const std::function<void()>& work);

}  // namespace medcoss::cuda
