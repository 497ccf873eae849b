// The addon's exports, as declared in lib/native/types.ts.
#include <napi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "addon/cuda.h"
#include "addon/environment.h"
#include "addon/executor.h"
#include "addon/functions.h"
#include "addon/trainer_wrap.h"

namespace {

// `process.exit` tears no environment down: LibTorch's static objects would be destroyed while
// executors work with them. Then the process ends without that.
void end_at_once(int status, void*) {
  if (!medcoss::addon::any_at_work()) return;
  std::fflush(nullptr);
  _exit(status);
}

// An exception that nobody catches ends the process past `reallyExit`. What is registered last is
// called first, but for objects that executors make meanwhile.
void on_process_exit(const Napi::CallbackInfo&) {
  on_exit(end_at_once, nullptr);
}

// The last that `process.exit` calls, after every listener: other packages stand here, too.
void before_real_exit(Napi::Object process) {
  const Napi::Value original = process.Get("reallyExit");
  if (!original.IsFunction()) return;
  const auto kept =
      std::make_shared<Napi::FunctionReference>(Napi::Persistent(original.As<Napi::Function>()));
  kept->SuppressDestruct();
  const auto end = [kept](const Napi::CallbackInfo& info) {
    const Napi::Value code = info[0];
    end_at_once(code.IsNumber() ? code.As<Napi::Number>().Int32Value() : 0, nullptr);
    return kept->Call(info.This(), {code});
  };
  process.Set("reallyExit", Napi::Function::New(process.Env(), end, "reallyExit"));
}

// In the main thread alone: `exit` of a worker ends no process, and the addon may leave memory with
// it.
void listen_for_exit(Napi::Env env) {
  if (gettid() != getpid()) return;
  const Napi::Value found = env.Global().Get("process");
  if (!found.IsObject()) return;
  const auto process = found.As<Napi::Object>();
  const auto on = process.Get("on").As<Napi::Function>();
  on.Call(process, {Napi::String::New(env, "exit"), Napi::Function::New(env, on_process_exit)});
  before_real_exit(process);
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  medcoss::addon::Environment::create(env);
  medcoss::addon::define_functions(env, exports);
  medcoss::addon::define_cuda(env, exports);
  listen_for_exit(env);
  exports.Set("Trainer", medcoss::addon::TrainerWrap::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(medcoss, initialise)
