// Reads the options of a step and of a probe, and what they inject in place of draws. Shape
// suffixes: B batch, L patches or tokens.
#include <algorithm>
#include <limits>

#include "addon/marshal.h"
#include "addon/reader.h"

namespace medcoss::addon {

namespace {

struct BatchShape {
  int64_t samples;
  int64_t tokens;
};

int64_t patches(const std::array<int64_t, 3>& grid) {
  return grid[0] * grid[1] * grid[2];
}

BatchShape shape_of(const Batch& batch, const ModelSize& size) {
  if (const auto* text = std::get_if<TextBatch>(&batch))
    return {text->ids_BL.size(0), text->ids_BL.size(1)};
  if (const auto* image = std::get_if<ImageBatch>(&batch)) {
    return {image->pixels_BHWC.size(0), patches(size.image_grid())};
  }
  return {std::get<VolumeBatch>(batch).voxels_BDHW.size(0), patches(size.volume_grid())};
}

void read_gradients(const Reader& options, ProbeOptions* result) {
  const Napi::Value found = options.value("gradients");
  if (!found.IsArray()) options.refuse("gradients", "an array");
  const auto list = found.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Reader one(list.Get(i), options.name_of("gradients") + "[" + std::to_string(i) + "]");
    const Napi::Value at = one.value("at");
    if (!at.IsArray()) one.refuse("at", "an array of flat indices");
    const size_t count = at.As<Napi::Array>().Length();
    result->gradients.emplace_back(
        one.text("name"), one.integers("at", count, 0, std::numeric_limits<int32_t>::max()));
  }
}

}  // namespace

StepOptions read_step_options(const Napi::Value& value, const Batch& batch, const ModelSize& size) {
  const Reader options(value, "options");
  StepOptions result;
  result.learning_rate = options.number("learningRate", 0, std::numeric_limits<float>::max());
  result.replay = options.choice("objective", {"plain", "replay"}) == 1;
  const auto [samples, tokens] = shape_of(batch, size);
  if (options.has("noise")) {
    result.injected.noise = options.tensor("noise", {samples, tokens}, {napi_float32_array});
  }
  if (options.has("targets")) {
    const Napi::Value given = options.value("targets");
    const auto row = static_cast<size_t>(samples * size.encoder_width);
    const size_t count = given.IsTypedArray() ? given.As<Napi::TypedArray>().ElementLength() : row;
    const auto rows = static_cast<int64_t>(std::max<size_t>(count / row, 1));
    result.injected.targets =
        options.tensor("targets", {samples, rows, size.encoder_width}, {napi_float32_array});
  }
  return result;
}

ProbeOptions read_probe_options(const Napi::Value& value, const Batch& batch,
                                const ModelSize& size) {
  const Reader options(value, "options");
  const auto [samples, tokens] = shape_of(batch, size);
  ProbeOptions result;
  result.replay = options.choice("objective", {"plain", "replay"}) == 1;
  if (options.has("noise"))
    result.noise = options.tensor("noise", {samples, tokens}, {napi_float32_array});
  if (options.has("lambda"))
    result.lambda = options.tensor("lambda", {samples}, {napi_float32_array});
  if (options.has("keep"))
    result.keep = options.tensor("keep", {samples, tokens}, {napi_uint8_array});
  if (options.has("partner")) {
    result.partner = options.tensor("partner", {samples}, {napi_int32_array});
    const auto partner = result.partner.accessor<int32_t, 1>();
    for (int64_t i = 0; i < samples; i++) {
      if (partner[i] < 0 || partner[i] >= samples)
        options.refuse("partner", "indices of the batch");
    }
  }
  if (options.has("gradients")) read_gradients(options, &result);
  if (options.has("predictedRows")) {
    result.predicted_rows = options.integer("predictedRows", 0, tokens);
  }
  return result;
}

}  // namespace medcoss::addon
