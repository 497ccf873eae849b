#include "addon/functions.h"

#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "addon/call.h"
#include "addon/executor.h"
#include "addon/marshal.h"
#include "addon/reader.h"
#include "addon/results.h"
#include "ops/autograd/feature_distance.h"
#include "ops/compare.h"
#include "ops/cpu/crop_resize.h"
#include "ops/cpu/kmeans.h"
#include "ops/cpu/resample.h"
#include "ops/cuda/library.h"
#include "support/cuda.h"
#include "support/device.h"
#include "support/error.h"
#include "support/formula.h"
#include "support/philox.h"
#include "support/threads.h"

namespace medcoss::addon {

namespace {

constexpr int64_t max_edge = 1 << 16;
constexpr int64_t max_threads = 1024;
constexpr int64_t max_count = int64_t{1} << 31;
constexpr int64_t max_safe_integer = 9007199254740991;

int64_t read_integer(const Napi::Value& value, const char* argument, int64_t low, int64_t high) {
  const auto object = Napi::Object::New(value.Env());
  object.Set(argument, value);
  return Reader(object, "arguments").integer(argument, low, high);
}

Napi::Value BuildInfo(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    const auto object = Napi::Object::New(info.Env());
    object.Set("addon", MEDCOSS_VERSION);
    object.Set("libtorch", TORCH_VERSION);
    object.Set("cpuCapability", at::get_cpu_capability());
    object.Set("bf16Hardware", has_bf16_products());
    object.Set("threads", static_cast<double>(thread_count()));
    return object;
  });
}

Napi::Value ConfigureThreads(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    configure_threads(read_integer(info[0], "count", 1, max_threads));
    return info.Env().Undefined();
  });
}

Napi::Value Formula(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    if (!info[0].IsString()) refuse("name", "a string", describe(info[0]));
    const int64_t count = read_integer(info[1], "count", 0, max_count);
    const int64_t seed = read_integer(info[2], "seed", 0, max_safe_integer);
    const at::Tensor result = at::empty({count}, at::kDouble);
    formula(info[0].As<Napi::String>().Utf8Value(), count, static_cast<uint64_t>(seed),
            result.data_ptr<double>());
    return to_float64(info.Env(), result);
  });
}

Napi::Value PhiloxWords(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    const auto arguments = Napi::Object::New(info.Env());
    arguments.Set("key", info[0]);
    arguments.Set("counter", info[1]);
    const Reader reader(arguments, "arguments");
    const auto key = reader.integers("key", 2, 0, 0xffffffff);
    const auto counter = reader.integers("counter", 4, 0, 0xffffffff);
    Words words{};
    std::copy(counter.begin(), counter.end(), words.begin());
    words = philox({static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])}, words);
    auto result = Napi::Uint32Array::New(info.Env(), words.size());
    std::copy(words.begin(), words.end(), result.Data());
    return result;
  });
}

template <typename Result>
Napi::Value on_shared_executor(const Napi::CallbackInfo& info, typename Call<Result>::Work work,
                               typename Call<Result>::Convert convert,
                               const Napi::Object& kept = Napi::Object()) {
  const auto environment = Environment::of(info.Env());
  auto call = std::make_unique<Call<Result>>(info.Env(), kept, std::move(work), std::move(convert));
  const Napi::Promise promise = call->promise();
  environment->expect();
  environment->shared_executor().post(job_of(*environment, std::move(call)));
  return promise;
}

Napi::Value CropResize(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    const Reader options(info[0], "options");
    const auto shape = options.integers("shape", 4, 0, max_edge);
    const auto pixels = options.tensor("pixels", shape, {napi_uint8_array});
    const auto crops = options.tensor("crops", {shape[0], 4}, {napi_float32_array});
    const auto flips = options.tensor("flips", {shape[0]}, {napi_uint8_array});
    const int64_t size = options.integer("size", 1, max_edge);
    check_crops(crops, shape[1], shape[2], "options.crops");
    if (!options.has("into")) {
      return on_shared_executor<at::Tensor>(
          info, [=] { return crop_resize(pixels, crops, flips, size); }, to_float32);
    }
    const auto [into, owner] = options.shared("into", {shape[0], size, size, shape[3]});
    const auto work = [pixels, crops, flips, into = into] {
      crop_resize_into(pixels, crops, flips, into);
      return at::Tensor();
    };
    return on_shared_executor<at::Tensor>(info, work, to_float32, owner);
  });
}

ResampleOptions read_resample_options(const Reader& options) {
  const auto size = options.integers("size", 3, 1, max_edge);
  const auto scale = options.numbers("scale", 3);
  const auto shift = options.numbers("shift", 3);
  ResampleOptions result;
  for (size_t axis = 0; axis < 3; axis++) {
    result.grid[axis] = {size[axis], scale[axis], shift[axis]};
  }
  const auto is_second = [&](const char* name, const char* first, const char* second) {
    return options.has(name) && options.choice(name, {first, second}) == 1;
  };
  const auto is_set = [&](const char* name) { return options.has(name) && options.flag(name); };
  result.spline = is_second("interpolation", "linear", "bspline");
  result.mirror = is_second("boundary", "nearest", "mirror");
  result.to_int16 = is_second("dtype", "float32", "int16");
  result.antialias = is_set("antialias");
  result.keep_range = is_set("keepRange");
  if (options.has("outside")) result.outside = options.number("outside");
  if (result.antialias) {
    for (const auto& axis : result.grid) {
      // The tables of filter weights grow with this product.
      if (std::abs(axis.scale) * static_cast<double>(axis.size) > 2.0 * max_edge) {
        options.refuse("scale", "a grid of at most " + std::to_string(2 * max_edge) +
                                    " input voxels per axis, as there is antialias");
      }
    }
  }
  return result;
}

Napi::Value Resample(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    const Reader options(info[0], "options");
    const auto shape = options.integers("shape", 3, 1, max_edge);
    const auto voxels =
        options.tensor("voxels", shape, {napi_uint8_array, napi_int16_array, napi_float32_array});
    const ResampleOptions plan = read_resample_options(options);
    return on_shared_executor<at::Tensor>(
        info, [=] { return resample(voxels, plan); }, plan.to_int16 ? to_int16 : to_float32);
  });
}

Napi::Value to_kmeans_result(Napi::Env env, const KmeansResult& result) {
  const auto object = Napi::Object::New(env);
  object.Set("labels", to_int32(env, result.labels_N));
  object.Set("centres", to_float32(env, result.centres_KD));
  object.Set("inertia", result.inertia);
  object.Set("iterations", static_cast<double>(result.iterations));
  return object;
}

KmeansResult kmeans_on(const std::string& name, const KmeansOptions& options) {
  const at::Device device = find_device(name);
  if (device.is_cpu()) return kmeans(options);
  check_kmeans(options);
  return cuda_library().kmeans(options, device.index());
}

Napi::Value Kmeans(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    const Reader options(info[0], "options");
    const int64_t samples = options.integer("samples", 1, max_count);
    const int64_t dimensions = options.integer("dimensions", 1, max_edge);
    KmeansOptions plan;
    plan.clusters = options.integer("clusters", 1, samples);
    plan.data_ND = options.tensor("data", {samples, dimensions}, {napi_float32_array});
    if (options.has("centres")) {
      plan.centres_KD =
          options.tensor("centres", {plan.clusters, dimensions}, {napi_float32_array});
    }
    plan.seed = static_cast<uint64_t>(options.integer("seed", 0, max_safe_integer));
    plan.restarts = options.integer("restarts", 1, max_edge);
    plan.max_iterations = options.integer("maxIterations", 1, max_count);
    plan.tolerance = options.number("tolerance", 0, 1);
    const std::string device = options.has("device") ? options.text("device") : "cpu";
    if (options.has("deviceMemory")) {
      plan.device_memory = options.integer("deviceMemory", 1, max_safe_integer);
    }
    return on_shared_executor<KmeansResult>(
        info, [plan, device] { return kmeans_on(device, plan); }, to_kmeans_result);
  });
}

struct DistanceResult {
  double loss, seconds;
  at::Tensor gradient_BLW;
};

DistanceResult timed_distance(at::Tensor student, const at::Tensor& teacher,
                              const at::Tensor& real) {
  const at::AutoGradMode grad(true);
  student.requires_grad_(true);
  const auto start = std::chrono::steady_clock::now();
  const at::Tensor loss = feature_distance(student, teacher, real);
  loss.backward();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return {loss.item<double>(), taken.count(), student.grad()};
}

Napi::Value FeatureDistance(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    const Reader options(info[0], "options");
    const auto shape = options.integers("shape", 3, 1, max_edge);
    const auto student = options.tensor("student", shape, {napi_float32_array});
    const auto teacher = options.tensor("teacher", shape, {napi_float32_array});
    at::Tensor real;
    if (options.has("real")) {
      real = options.tensor("real", {shape[0], shape[1]}, {napi_uint8_array});
    }
    return on_shared_executor<DistanceResult>(
        info, [=] { return timed_distance(student, teacher, real); },
        [](Napi::Env env, const DistanceResult& result) {
          const auto object = Napi::Object::New(env);
          object.Set("loss", result.loss);
          object.Set("gradient", to_float32(env, result.gradient_BLW));
          object.Set("seconds", result.seconds);
          return object;
        });
  });
}

Napi::Value to_operation_report(Napi::Env env, const OperationReport& report) {
  const auto comparisons = Napi::Array::New(env);
  for (uint32_t i = 0; i < report.comparisons.size(); i++) {
    const auto object = Napi::Object::New(env);
    object.Set("name", report.comparisons[i].name);
    object.Set("error", report.comparisons[i].error);
    object.Set("bound", report.comparisons[i].bound);
    comparisons.Set(i, object);
  }
  const auto timings = Napi::Array::New(env);
  for (uint32_t i = 0; i < report.timings.size(); i++) {
    const auto object = Napi::Object::New(env);
    object.Set("name", report.timings[i].name);
    object.Set("microseconds", report.timings[i].microseconds);
    object.Set("bytes", report.timings[i].bytes);
    timings.Set(i, object);
  }
  const auto result = Napi::Object::New(env);
  result.Set("comparisons", comparisons);
  result.Set("timings", timings);
  return result;
}

Napi::Value CompareOperations(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    const Reader options(info[0], "options");
    const std::string device = options.text("device");
    const bool timed = options.flag("timed");
    return on_shared_executor<OperationReport>(
        info, [device, timed] { return compare_operations(find_device(device), timed); },
        to_operation_report);
  });
}

}  // namespace

void define_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("buildInfo", Napi::Function::New(env, BuildInfo, "buildInfo"));
  exports.Set("configureThreads", Napi::Function::New(env, ConfigureThreads, "configureThreads"));
  exports.Set("formula", Napi::Function::New(env, Formula, "formula"));
  exports.Set("philox", Napi::Function::New(env, PhiloxWords, "philox"));
  exports.Set("cropResize", Napi::Function::New(env, CropResize, "cropResize"));
  exports.Set("resample", Napi::Function::New(env, Resample, "resample"));
  exports.Set("kmeans", Napi::Function::New(env, Kmeans, "kmeans"));
  exports.Set("featureDistance", Napi::Function::New(env, FeatureDistance, "featureDistance"));
  exports.Set("compareOperations",
              Napi::Function::New(env, CompareOperations, "compareOperations"));
}

}  // namespace medcoss::addon
