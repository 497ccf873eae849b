#include "addon/executor.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "support/threads.h"

namespace medcoss::addon {

namespace {

// Short beside a step, long beside a look at an event.
constexpr auto watch_interval = std::chrono::microseconds(50);

std::atomic<int64_t> configured_threads{0};

// Jobs of all executors that wait or run, or after which an executor looks.
std::atomic<int64_t> at_work{0};

// OpenMP keeps its thread count per calling thread, so each executor takes over the configured one
// by itself.
void apply_threads() {
  const int64_t count = configured_threads.load();
  if (count > 0 && thread_count() != count) medcoss::configure_threads(count);
}

}  // namespace

Executor::Executor(const char* thread_name) : thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), thread_name);
}

Executor::~Executor() {
  abandon();
  join();
}

bool Executor::post(Job job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ending_) return false;
  jobs_.push_back(std::move(job));
  ++at_work;
  wake_.notify_one();
  return true;
}

bool Executor::finish(Job last) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ending_) return false;
  jobs_.push_back(std::move(last));
  ++at_work;
  ending_ = true;
  wake_.notify_one();
  return true;
}

void Executor::abandon() {
  std::deque<Job> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  ending_ = true;
  dropped.swap(jobs_);
  at_work -= static_cast<int64_t>(dropped.size());
  wake_.notify_one();
}

void Executor::join() {
  if (thread_.joinable()) thread_.join();
}

void Executor::wait(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const bool watched = watch_ && watch_();
  lock.lock();
  if (!jobs_.empty() || ending_) return;
  // `wait` binds to GLIBCXX_3.4.30, which RHEL 9 lacks; `wait_until` does not.
  const auto now = std::chrono::steady_clock::now();
  if (watched) {
    wake_.wait_until(lock, now + watch_interval);
    return;
  }
  at_work -= std::exchange(ended_, 0);
  wake_.wait_until(lock, now + std::chrono::hours(1));
}

bool Executor::take(Job* job) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (jobs_.empty() && !ending_) wait(lock);
  if (jobs_.empty()) return false;
  *job = std::move(jobs_.front());
  jobs_.pop_front();
  return true;
}

void Executor::run() {
  for (Job job; take(&job); job = nullptr) {
    apply_threads();
    job();
    ++ended_;
  }
  while (watch_ && watch_()) std::this_thread::sleep_for(watch_interval);
  at_work -= ended_;
}

bool any_at_work() {
  return at_work.load() > 0;
}

void configure_threads(int64_t count) {
  configured_threads.store(count);
  medcoss::configure_threads(count);
}

}  // namespace medcoss::addon
