// The one place where C++ exceptions become JavaScript errors.
//
// Invariant: every entry from JavaScript and every job on an executor passes through `guarded` or
// `Failure::current`, so no exception other than Napi::Error reaches node-addon-api, and none
// leaves a thread.
#pragma once

#include <napi.h>

#include <map>
#include <string>

namespace medcoss::addon {

// An error as data, so that it can cross from an executor to the JavaScript thread. Its text is
// made in JavaScript, from the registry of codes.
struct Failure {
  std::string code;
  std::map<std::string, std::string> values;

  // The exception being handled, told apart by its type.
  static Failure current();

  // An Error with `code` and `values`.
  Napi::Error to_js(Napi::Env env) const;
};

// Runs a synchronous entry.
template <typename Work>
Napi::Value guarded(const Napi::CallbackInfo& info, Work&& work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Failure::current().to_js(info.Env());
  }
}

}  // namespace medcoss::addon
