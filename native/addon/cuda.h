// The addon's exports that bring CUDA into the process and tell what it found.
#pragma once

#include <napi.h>

namespace medcoss::addon {

void define_cuda(Napi::Env env, Napi::Object exports);

}  // namespace medcoss::addon
