// Opens shared libraries by absolute path, so that an addon loaded afterwards finds them by soname.
//
// Invariant: links nothing but libc; it loads on every machine, also where LibTorch is missing.
#include <dlfcn.h>
#include <napi.h>

#include <cstdlib>
#include <string>

namespace {

// How long a thread of OpenMP that waits keeps its core before it sleeps. The default of libgomp,
// some milliseconds, makes steps ten times slower wherever anything else runs.
constexpr const char* spins = "1000";

// Products that oneDNN, and LibTorch's cache before it, keep compiled. Each is for one shape, and
// packed texts and survivors of drop path bring new shapes with every step, so the 1,024 of their
// defaults fill up, to a gigabyte; a step needs less than 200.
constexpr const char* products = "256";

// preload(paths): opens the libraries in order; throws the dynamic linker's message for the first
// that fails.
Napi::Value Preload(const Napi::CallbackInfo& info) {
  setenv("GOMP_SPINCOUNT", spins, 0);
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", products, 0);
  setenv("LRU_CACHE_CAPACITY", products, 0);
  const auto paths = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < paths.Length(); i++) {
    const std::string path = Napi::Value(paths.Get(i)).ToString().Utf8Value();
    // Local: their many symbols must not bind into other addons. The libraries stay open for the
    // process.
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr)
      throw Napi::Error::New(info.Env(), dlerror());
  }
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("preload", Napi::Function::New(env, Preload, "preload"));
  return exports;
}

}  // namespace

NODE_API_MODULE(medcoss_loader, initialise)
