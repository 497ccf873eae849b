// A JavaScript call that runs on an executor and settles one promise.
//
// Invariant: `work` sees no JavaScript value; `deliver` runs on the JavaScript thread. The object
// that the call was made on is referenced until then.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "addon/environment.h"
#include "addon/guard.h"

namespace medcoss::addon {

template <typename Result>
class Call final : public Completion {
 public:
  using Work = std::function<Result()>;
  using Convert = std::function<Napi::Value(Napi::Env, const Result&)>;

  Call(Napi::Env env, const Napi::Object& self, Work work, Convert convert)
      : deferred_(env), work_(std::move(work)), convert_(std::move(convert)) {
    if (!self.IsEmpty()) self_ = Napi::Persistent(self);
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

  // On the executor.
  void run() {
    try {
      result_ = work_();
    } catch (...) {
      failure_ = Failure::current();
    }
    work_ = nullptr;
  }

  void deliver(Napi::Env env) override {
    try {
      if (failure_) {
        deferred_.Reject(failure_->to_js(env).Value());
      } else {
        deferred_.Resolve(convert_(env, *result_));
      }
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (...) {
      deferred_.Reject(Failure::current().to_js(env).Value());
    }
  }

  void abandon() override { self_.SuppressDestruct(); }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference self_;
  Work work_;
  Convert convert_;
  std::optional<Result> result_;
  std::optional<Failure> failure_;
};

// Result of calls that resolve to undefined.
struct Nothing {};
inline Napi::Value to_undefined(Napi::Env env, const Nothing&) {
  return env.Undefined();
}

// A job for an executor that runs `call` and sends it home.
template <typename Result>
Executor::Job job_of(Environment& environment, std::unique_ptr<Call<Result>> call) {
  // Shared only because jobs are copyable; one job owns the call.
  auto owned = std::make_shared<std::unique_ptr<Call<Result>>>(std::move(call));
  return [&environment, owned] {
    (*owned)->run();
    environment.complete(std::move(*owned));
  };
}

inline Napi::Promise rejected(Napi::Env env, const Failure& failure) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(failure.to_js(env).Value());
  return deferred.Promise();
}

// Runs the synchronous half of an asynchronous entry: what it throws becomes a rejected promise.
template <typename Start>
Napi::Value asynchronous(const Napi::CallbackInfo& info, Start&& start) {
  try {
    return start();
  } catch (const Napi::Error& error) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(error.Value());
    return deferred.Promise();
  } catch (...) {
    return rejected(info.Env(), Failure::current());
  }
}

}  // namespace medcoss::addon
