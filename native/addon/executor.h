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
  // Looks after work that goes on by itself; returns whether any is left.
  using Watch = std::function<bool()>;

  explicit Executor(const char* thread_name);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Adds a job. Returns false, and drops it, after `finish` or `abandon`.
  bool post(Job job);

  // Sets what is run, again and again, while no job waits and its work is left, and until none is
  // before the thread ends. Called on the executor.
  void set_watch(Watch watch) { watch_ = std::move(watch); }

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
  void wait(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  Watch watch_;        // touched on the thread only
  int64_t ended_ = 0;  // jobs not yet taken off what is at work; on the thread only
  bool ending_ = false;
  std::thread thread_;
};

// Whether any executor of the process has a job, or looks after work.
bool any_at_work();

// Sets how many threads LibTorch uses for one operation, for every executor of the process from its
// next job on.
void configure_threads(int64_t count);

}  // namespace medcoss::addon
