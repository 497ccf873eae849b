// Threads of LibTorch and OpenMP: one pool per process, sized once.
#pragma once

#include <cstdint>

namespace medcoss {

void configure_threads(int64_t count);
int64_t thread_count();

}  // namespace medcoss
