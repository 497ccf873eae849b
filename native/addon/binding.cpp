// The addon's exports, as declared in lib/native/types.ts.
#include <napi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

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

// What is registered last is called first.
void on_process_exit(const Napi::CallbackInfo&) {
  on_exit(end_at_once, nullptr);
}

// In the main thread alone: `exit` of a worker ends no process, and the addon may leave memory with
// it.
void listen_for_exit(Napi::Env env) {
  if (gettid() != getpid()) return;
  const Napi::Value process = env.Global().Get("process");
  if (!process.IsObject()) return;
  const auto on = process.As<Napi::Object>().Get("on").As<Napi::Function>();
  on.Call(process, {Napi::String::New(env, "exit"), Napi::Function::New(env, on_process_exit)});
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
