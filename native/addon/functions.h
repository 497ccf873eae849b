// The functions of the addon that belong to no trainer.
#pragma once

#include <napi.h>

namespace medcoss::addon {

void define_functions(Napi::Env env, Napi::Object exports);

}  // namespace medcoss::addon
