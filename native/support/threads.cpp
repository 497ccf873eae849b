#include "support/threads.h"

#include <ATen/Parallel.h>

#include "support/error.h"

namespace medcoss {

void configure_threads(int64_t count) {
  if (count < 1 || count > 4096) refuse("threads", "1 to 4096", std::to_string(count));
  at::set_num_threads(static_cast<int>(count));
}

int64_t thread_count() {
  return at::get_num_threads();
}

}  // namespace medcoss
