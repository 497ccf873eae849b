#include "addon/results.h"

#include <cstdint>
#include <limits>
#include <memory>

#include "support/error.h"

namespace medcoss::addon {

namespace {

// What every supported release of Node.js takes; it ends the process where an array is longer.
constexpr int64_t most_values = std::numeric_limits<uint32_t>::max();

// The array takes the tensor's memory over, so nothing but the result may use it.
template <typename Array>
Array hand_over(Napi::Env env, const at::Tensor& values, at::ScalarType type) {
  if (!values.defined() || values.numel() == 0) return Array::New(env, 0);
  if (values.numel() > most_values) {
    const std::string problem = "a typed array cannot hold " + std::to_string(values.numel());
    throw Error("E_OUT_OF_MEMORY", {{"device", "cpu"}, {"problem", problem + " values"}});
  }
  const at::Tensor ready = values.detach().to(at::kCPU, type).contiguous();
  auto kept = std::make_unique<at::Tensor>(ready);
  const auto buffer = Napi::ArrayBuffer::New(
      env, ready.data_ptr(), ready.nbytes(),
      [](Napi::Env, void*, at::Tensor* owner) { delete owner; }, kept.get());
  kept.release();
  return Array::New(env, static_cast<size_t>(ready.numel()), buffer, 0);
}

template <typename List>
Napi::Array numbers(Napi::Env env, const List& values) {
  const auto array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); i++) {
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(values[i])));
  }
  return array;
}

}  // namespace

Napi::Value to_float32(Napi::Env env, const at::Tensor& values) {
  return hand_over<Napi::Float32Array>(env, values, at::kFloat);
}

Napi::Value to_float64(Napi::Env env, const at::Tensor& values) {
  return hand_over<Napi::Float64Array>(env, values, at::kDouble);
}

Napi::Value to_int16(Napi::Env env, const at::Tensor& values) {
  return hand_over<Napi::Int16Array>(env, values, at::kShort);
}

Napi::Value to_int32(Napi::Env env, const at::Tensor& values) {
  return hand_over<Napi::Int32Array>(env, values, at::kInt);
}

Napi::Value to_uint8(Napi::Env env, const at::Tensor& values) {
  return hand_over<Napi::Uint8Array>(env, values, at::kByte);
}

Napi::Value to_step_result(Napi::Env env, const StepResult& result) {
  const auto object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("gradientNorm", result.gradient_norm);
  object.Set("skipped", result.skipped);
  object.Set("samples", static_cast<double>(result.samples));
  return object;
}

Napi::Value to_reconstruction(Napi::Env env, const Reconstruction& result, const char* kind) {
  const auto object = Napi::Object::New(env);
  object.Set("kind", kind);
  object.Set("shape", numbers(env, result.shape));
  object.Set("original", to_float32(env, result.original));
  object.Set("prediction", to_float32(env, result.prediction));
  object.Set("mask", to_uint8(env, result.mask));
  return object;
}

Napi::Value to_probe(Napi::Env env, const Probe& result) {
  const auto gradients = Napi::Object::New(env);
  for (const auto& [name, sample] : result.gradients) {
    const auto one = Napi::Object::New(env);
    one.Set("l2", sample.first);
    one.Set("values", numbers(env, sample.second));
    gradients.Set(name, one);
  }
  const auto object = Napi::Object::New(env);
  object.Set("loss", result.loss);
  object.Set("gradients", gradients);
  object.Set("encoded", to_float32(env, result.encoded));
  const auto encoded_shape = result.encoded.defined() ? result.encoded.sizes() : at::IntArrayRef();
  object.Set("encodedShape", numbers(env, encoded_shape));
  object.Set("mask", to_float32(env, result.mask));
  object.Set("predicted", to_float32(env, result.predicted));
  return object;
}

Napi::Value to_norms(Napi::Env env, const std::map<std::string, double>& norms) {
  const auto object = Napi::Object::New(env);
  for (const auto& [name, norm] : norms) object.Set(name, norm);
  return object;
}

}  // namespace medcoss::addon
