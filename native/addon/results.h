// From the trainer's results to fresh JavaScript objects and typed arrays.
#pragma once

#include <napi.h>

#include <map>
#include <string>

#include "train/trainer.h"

namespace medcoss::addon {

// A typed array that takes over the memory of a tensor, converted where its type is another;
// nothing else may use that tensor. An undefined one gives an empty array.
Napi::Value to_float32(Napi::Env env, const at::Tensor& values);
Napi::Value to_float64(Napi::Env env, const at::Tensor& values);
Napi::Value to_int16(Napi::Env env, const at::Tensor& values);
Napi::Value to_int32(Napi::Env env, const at::Tensor& values);
Napi::Value to_uint8(Napi::Env env, const at::Tensor& values);

Napi::Value to_step_result(Napi::Env env, const StepResult& result);
// `kind` is that of the batch.
Napi::Value to_reconstruction(Napi::Env env, const Reconstruction& result, const char* kind);
Napi::Value to_probe(Napi::Env env, const Probe& result);
Napi::Value to_norms(Napi::Env env, const std::map<std::string, double>& norms);

}  // namespace medcoss::addon
