// Reads arguments that come from JavaScript, with one form of refusal: "Expected X for Y, received
// Z" (E_ARGUMENT).
//
// Invariant: what is read is a copy; nothing but what `shared` returns points into JavaScript's
// memory.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace medcoss::addon {

// "a string", "Int32Array of 12", "-1": a value in the words of an error.
std::string describe(const Napi::Value& value);
std::string show(double number);

using Shape = std::vector<int64_t>;

class Reader {
 public:
  // `path` names the value in errors, for example `options.size`.
  Reader(const Napi::Value& value, std::string path);

  // Copies of typed arrays lie in memory that a CUDA device reads by itself.
  void set_pinned(bool pinned) { pinned_ = pinned; }

  bool has(const char* name) const;
  Reader child(const char* name) const;

  double number(const char* name) const;
  double number(const char* name, double low, double high) const;
  int64_t integer(const char* name, int64_t low, int64_t high) const;
  bool flag(const char* name) const;
  std::string text(const char* name) const;
  // Index of the value among the allowed ones.
  size_t choice(const char* name, std::initializer_list<const char*> allowed) const;
  std::vector<int64_t> integers(const char* name, size_t count, int64_t low, int64_t high) const;
  std::vector<double> numbers(const char* name, size_t count) const;

  // The number of elements of a typed array, 0 for anything else.
  int64_t length(const char* name) const;
  // Copies a typed array into a fresh tensor of `shape`. The array must have one of the given
  // types.
  at::Tensor tensor(const char* name, const Shape& shape,
                    std::initializer_list<napi_typedarray_type> types) const;

  // A path of a file or folder: a string that is not empty, and that the system does not cut short.
  std::string file_path(const char* name) const;

  // Floats in a SharedArrayBuffer, which cannot be detached, as a tensor of `shape` in that memory.
  // It lasts as long as `owner` is referenced.
  struct Shared {
    at::Tensor values;
    Napi::Object owner;
  };
  Shared shared(const char* name, const Shape& shape) const;

  Napi::Value value(const char* name) const;
  std::string name_of(const char* name) const;
  [[noreturn]] void refuse(const char* name, const std::string& expected) const;

 private:
  Napi::Object object_;
  std::string path_;
  bool pinned_ = false;
};

}  // namespace medcoss::addon
