#include "addon/guard.h"

#include <c10/util/Exception.h>

#include <new>

#include "support/error.h"

namespace medcoss::addon {

namespace {

constexpr const char* allocator_message = "DefaultCPUAllocator";

Failure internal(const std::string& problem) {
  return {"E_INTERNAL", {{"problem", problem}}};
}

Failure out_of_memory(const char* device, const std::string& problem) {
  return {"E_OUT_OF_MEMORY", {{"device", device}, {"problem", problem}}};
}

// The first line: LibTorch appends its own stack to the text.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

Failure Failure::current() {
  try {
    throw;
  } catch (const medcoss::Error& error) {
    return {error.code, error.values};
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory("cuda", first_line(error.what_without_backtrace()));
  } catch (const c10::AcceleratorError& error) {
    return {"E_CUDA", {{"problem", first_line(error.what_without_backtrace())}}};
  } catch (const c10::Error& error) {
    const std::string problem = first_line(error.what_without_backtrace());
    const bool memory = problem.find(allocator_message) != std::string::npos;
    return memory ? out_of_memory("cpu", problem) : internal(problem);
  } catch (const std::bad_alloc&) {
    return out_of_memory("cpu", "the allocation failed");
  } catch (const std::exception& error) {
    return internal(first_line(error.what()));
  } catch (...) {
    return internal("an exception of unknown type");
  }
}

Napi::Error Failure::to_js(Napi::Env env) const {
  const auto error = Napi::Error::New(env, code);
  const auto list = Napi::Object::New(env);
  for (const auto& [name, value] : values) list.Set(name, value);
  error.Value().Set("code", code);
  error.Value().Set("values", list);
  return error;
}

}  // namespace medcoss::addon
