#include "addon/reader.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "support/error.h"

namespace medcoss::addon {

namespace {

const char* type_name(napi_typedarray_type type) {
  static constexpr const char* names[] = {"Int8Array",     "Uint8Array",    "Uint8ClampedArray",
                                          "Int16Array",    "Uint16Array",   "Int32Array",
                                          "Uint32Array",   "Float32Array",  "Float64Array",
                                          "BigInt64Array", "BigUint64Array"};
  const auto index = static_cast<size_t>(type);
  return index < std::size(names) ? names[index] : "typed array";
}

at::ScalarType scalar_type(napi_typedarray_type type) {
  switch (type) {
    case napi_uint8_array:
      return at::kByte;
    case napi_int16_array:
      return at::kShort;
    case napi_int32_array:
      return at::kInt;
    default:
      return at::kFloat;
  }
}

struct ArrayView {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  // Not what the property `buffer` says, which is the caller's.
  bool in_shared_memory = false;
};

ArrayView view(const Napi::Value& value) {
  ArrayView result;
  napi_value buffer = nullptr;
  const napi_status status = napi_get_typedarray_info(
      value.Env(), value, &result.type, &result.length, &result.data, &buffer, nullptr);
  if (status != napi_ok) throw Napi::Error::New(value.Env());
  result.in_shared_memory = !Napi::Value(value.Env(), buffer).IsArrayBuffer();
  return result;
}

// The number of elements of a shape; none where it is more than can be counted.
std::optional<int64_t> elements(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t edge : shape) {
    if (__builtin_mul_overflow(count, edge, &count)) return std::nullopt;
  }
  return count;
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string range_text(const char* noun, const std::string& low, const std::string& high) {
  return std::string(noun) + " from " + low + " to " + high;
}

// What a GPU trains on is copied by all of LibTorch's threads: one copies 5 GB/s, and 128 volumes
// have 0.15 GB. While the CPU trains, its cores are busy.
void copy_bytes(const at::Tensor& to, const void* from, bool all_threads) {
  const auto bytes = static_cast<int64_t>(to.nbytes());
  const auto copy = [to = static_cast<char*>(to.data_ptr()), from = static_cast<const char*>(from)](
                        int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
  };
  constexpr int64_t piece = 4 << 20;
  if (all_threads)
    at::parallel_for(0, bytes, piece, copy);
  else if (bytes > 0)
    copy(0, bytes);
}

}  // namespace

std::string show(double number) {
  if (std::isfinite(number) && number == std::floor(number) && std::abs(number) < 1e15) {
    return std::to_string(static_cast<int64_t>(number));
  }
  return std::isnan(number) ? "NaN" : std::to_string(number);
}

std::string describe(const Napi::Value& value) {
  if (value.IsEmpty() || value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsNumber()) return show(value.As<Napi::Number>().DoubleValue());
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? "true" : "false";
  if (value.IsString()) return "'" + value.As<Napi::String>().Utf8Value().substr(0, 40) + "'";
  if (value.IsFunction()) return "a function";
  if (value.IsTypedArray()) {
    const ArrayView array = view(value);
    return std::string(type_name(array.type)) + " of " + std::to_string(array.length);
  }
  if (value.IsArray()) return "an array of " + std::to_string(value.As<Napi::Array>().Length());
  return value.IsObject() ? "an object" : "a value of another type";
}

Reader::Reader(const Napi::Value& value, std::string path) : path_(std::move(path)) {
  if (value.IsEmpty() || !value.IsObject() || value.IsArray() || value.IsTypedArray()) {
    medcoss::refuse(path_, "an object", describe(value));
  }
  object_ = value.As<Napi::Object>();
}

std::string Reader::name_of(const char* name) const {
  return path_ + "." + name;
}

Napi::Value Reader::value(const char* name) const {
  return object_.Get(name);
}

bool Reader::has(const char* name) const {
  return !value(name).IsUndefined();
}

Reader Reader::child(const char* name) const {
  return Reader(value(name), name_of(name));
}

void Reader::refuse(const char* name, const std::string& expected) const {
  medcoss::refuse(name_of(name), expected, describe(value(name)));
}

double Reader::number(const char* name) const {
  const Napi::Value found = value(name);
  if (!found.IsNumber() || !std::isfinite(found.As<Napi::Number>().DoubleValue())) {
    refuse(name, "a finite number");
  }
  return found.As<Napi::Number>().DoubleValue();
}

double Reader::number(const char* name, double low, double high) const {
  const double found = number(name);
  if (found < low || found > high) refuse(name, range_text("a number", show(low), show(high)));
  return found;
}

int64_t Reader::integer(const char* name, int64_t low, int64_t high) const {
  const Napi::Value found = value(name);
  const double number = found.IsNumber() ? found.As<Napi::Number>().DoubleValue() : NAN;
  // Negated so that NaN is refused too.
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
      number != std::floor(number)) {
    refuse(name, range_text("an integer", std::to_string(low), std::to_string(high)));
  }
  return static_cast<int64_t>(number);
}

bool Reader::flag(const char* name) const {
  const Napi::Value found = value(name);
  if (!found.IsBoolean()) refuse(name, "a boolean");
  return found.As<Napi::Boolean>().Value();
}

std::string Reader::text(const char* name) const {
  const Napi::Value found = value(name);
  if (!found.IsString()) refuse(name, "a string");
  return found.As<Napi::String>().Utf8Value();
}

size_t Reader::choice(const char* name, std::initializer_list<const char*> allowed) const {
  const Napi::Value found = value(name);
  const std::string given = found.IsString() ? found.As<Napi::String>().Utf8Value() : "";
  std::string all;
  size_t index = 0;
  for (const char* one : allowed) {
    if (given == one) return index;
    all += (index++ ? " or '" : "'") + std::string(one) + "'";
  }
  refuse(name, all);
}

std::vector<int64_t> Reader::integers(const char* name, size_t count, int64_t low,
                                      int64_t high) const {
  const std::string expected =
      std::to_string(count) + range_text(" integers", std::to_string(low), std::to_string(high));
  std::vector<int64_t> result;
  for (const double number : numbers(name, count)) {
    if (number != std::floor(number) || number < static_cast<double>(low) ||
        number > static_cast<double>(high)) {
      medcoss::refuse(name_of(name), expected, show(number));
    }
    result.push_back(static_cast<int64_t>(number));
  }
  return result;
}

std::vector<double> Reader::numbers(const char* name, size_t count) const {
  const Napi::Value found = value(name);
  const std::string expected = "an array of " + std::to_string(count) + " numbers";
  if (!found.IsArray() || found.As<Napi::Array>().Length() != count) refuse(name, expected);
  std::vector<double> result;
  for (uint32_t i = 0; i < count; i++) {
    const Napi::Value one = found.As<Napi::Array>().Get(i);
    if (!one.IsNumber() || !std::isfinite(one.As<Napi::Number>().DoubleValue())) {
      medcoss::refuse(name_of(name) + "[" + std::to_string(i) + "]", "a finite number",
                      describe(one));
    }
    result.push_back(one.As<Napi::Number>().DoubleValue());
  }
  return result;
}

int64_t Reader::length(const char* name) const {
  const Napi::Value found = value(name);
  return found.IsTypedArray() ? static_cast<int64_t>(view(found).length) : 0;
}

at::Tensor Reader::tensor(const char* name, const Shape& shape,
                          std::initializer_list<napi_typedarray_type> types) const {
  std::string expected;
  for (const auto type : types)
    expected += (expected.empty() ? "" : " or ") + std::string(type_name(type));
  const auto count = elements(shape);
  expected += " of " + (count ? std::to_string(*count) + " " : "") + shape_text(shape);

  const Napi::Value found = value(name);
  if (!found.IsTypedArray()) refuse(name, expected);
  const ArrayView array = view(found);
  bool fits = false;
  for (const auto type : types) fits |= type == array.type;
  if (!fits || static_cast<int64_t>(array.length) != count) refuse(name, expected);

  const auto options = at::TensorOptions(scalar_type(array.type)).pinned_memory(pinned_);
  at::Tensor result = at::empty(shape, options);
  copy_bytes(result, array.data, pinned_);
  return result;
}

std::string Reader::file_path(const char* name) const {
  const Napi::Value found = value(name);
  const std::string path = found.IsString() ? found.As<Napi::String>().Utf8Value() : "";
  if (path.empty() || path.find('\0') != std::string::npos) refuse(name, "a path");
  return path;
}

Reader::Shared Reader::shared(const char* name, const Shape& shape) const {
  const std::string expected = "a Float32Array " + shape_text(shape) + " in shared memory";
  const Napi::Value found = value(name);
  if (!found.IsTypedArray()) refuse(name, expected);
  const ArrayView array = view(found);
  const bool fits = static_cast<int64_t>(array.length) == elements(shape);
  if (array.type != napi_float32_array || !array.in_shared_memory || !fits) refuse(name, expected);
  return {at::from_blob(array.data, shape, at::kFloat), found.As<Napi::Object>()};
}

}  // namespace medcoss::addon
