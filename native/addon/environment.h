// What the addon keeps for one JavaScript environment (the main thread or a worker): its executors
// and the channel on which finished calls come back to its event loop.
//
// Invariant: when the environment is torn down, every executor has been joined, so no thread of
// ours outlives it.
#pragma once

#include <napi.h>

#include <list>
#include <memory>

#include "addon/executor.h"

namespace medcoss::addon {

// Something that comes back from an executor to the event loop.
class Completion {
 public:
  virtual ~Completion() = default;
  // On the JavaScript thread. Not called when the environment is going away.
  virtual void deliver(Napi::Env env) = 0;
  // Instead of `deliver`, when JavaScript can no longer run; on its thread or on an executor's.
  virtual void abandon() {}
};

class Environment {
 public:
  // Makes the state of `env`; it is shared by `env` and by the objects that outlive its instance
  // data.
  static void create(Napi::Env env);
  static std::shared_ptr<Environment> of(Napi::Env env);

  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // On the JavaScript thread: the event loop stays alive until as many `settled` calls.
  void expect();
  void settled();

  // From any thread of ours: hands a completion to the event loop.
  void complete(std::unique_ptr<Completion> completion);

  // A new executor, joined at the latest when the environment ends.
  std::shared_ptr<Executor> start_executor(const char* thread_name);
  // Joins an executor that has finished and forgets it.
  void retire(const std::shared_ptr<Executor>& executor);
  // The executor of calls that belong to no trainer.
  Executor& shared_executor();
  bool ending() const { return ending_; }

 private:
  explicit Environment(Napi::Env env);
  static void on_completion(napi_env env, napi_value, void* context, void* data);
  static void on_teardown(void* self);

  napi_env env_;
  napi_threadsafe_function channel_ = nullptr;
  size_t expected_ = 0;
  bool ending_ = false;
  std::list<std::shared_ptr<Executor>> executors_;
  std::shared_ptr<Executor> shared_executor_;
};

}  // namespace medcoss::addon
