// The addon's exports, as declared in lib/native/types.ts.
#include <napi.h>

#include "addon/cuda.h"
#include "addon/environment.h"
#include "addon/functions.h"
#include "addon/trainer_wrap.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  medcoss::addon::Environment::create(env);
  medcoss::addon::define_functions(env, exports);
  medcoss::addon::define_cuda(env, exports);
  exports.Set("Trainer", medcoss::addon::TrainerWrap::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(medcoss, initialise)
