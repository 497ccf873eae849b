// One thread that runs jobs first in, first out.
//
// Invariant: jobs never run two at a time, and after `join` none runs or waits. LibTorch's gradient
// mode and thread count are per thread, so everything that a trainer computes happens on one
// executor.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace medcoss::addon {

class Executor {
 public:
  using Job = std::function<void()>;

  explicit Executor(const char* thread_name);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Adds a job. Returns false, and drops it, after `finish` or `abandon`.
  bool post(Job job);

  // Adds the last job; the thread ends after it. Returns false where it already ended or is about
  // to.
  bool finish(Job last);

  // Drops the jobs that wait; the thread ends after the running one.
  void abandon();

  // Waits for the thread's end. Only after `finish` or `abandon`.
  void join();

 private:
  void run();
  bool take(Job* job);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool ending_ = false;
  std::thread thread_;
};

// Sets how many threads LibTorch uses for one operation, for every executor of the process from its
// next job on.
void configure_threads(int64_t count);

}  // namespace medcoss::addon
