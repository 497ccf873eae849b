// Shape suffixes: B batch, L tokens, H W C image rows, columns and channels, D slices.
#include "addon/marshal.h"

#include <cmath>
#include <limits>

#include "addon/reader.h"
#include "support/error.h"

namespace medcoss::addon {

namespace {

constexpr int64_t max_edge = 1 << 16;
constexpr int64_t max_width = 1 << 15;
constexpr int64_t text_positions = 512;
constexpr int64_t image_positions = 1024;
constexpr int64_t volume_positions = 4096;
constexpr int64_t max_safe_integer = 9007199254740991;
constexpr int64_t no_label = -100;

void check_heads(const Reader& size, const char* width_name, const char* heads_name) {
  const int64_t width = size.integer(width_name, 1, max_width);
  const int64_t heads = size.integer(heads_name, 1, max_width);
  if (width % heads != 0) {
    size.refuse(heads_name, "a divisor of the width " + std::to_string(width));
  }
}

void check_grid(const Reader& size, const char* name, std::initializer_list<int64_t> edges,
                int64_t positions) {
  int64_t patches = 1;
  for (const int64_t edge : edges) {
    if (edge % patch_edge != 0) size.refuse(name, "multiples of " + std::to_string(patch_edge));
    patches *= edge / patch_edge;
  }
  if (patches > positions)
    size.refuse(name, "a size of at most " + std::to_string(positions) + " patches");
}

std::string shape_text(const std::vector<double>& numbers) {
  std::string text;
  for (const double number : numbers) text += (text.empty() ? "[" : ",") + show(number);
  return text + "]";
}

ModelSize read_size(const Reader& size) {
  check_heads(size, "encoderWidth", "encoderHeads");
  check_heads(size, "decoderWidth", "decoderHeads");
  ModelSize result;
  result.encoder_width = size.integer("encoderWidth", 1, max_width);
  result.encoder_layers = size.integer("encoderLayers", 1, 1024);
  result.encoder_heads = size.integer("encoderHeads", 1, max_width);
  result.decoder_width = size.integer("decoderWidth", 1, max_width);
  result.decoder_layers = size.integer("decoderLayers", 1, 1024);
  result.decoder_heads = size.integer("decoderHeads", 1, max_width);
  result.vocabulary = size.integer("vocabulary", 1, std::numeric_limits<int32_t>::max());
  result.image_size = size.integer("imageSize", patch_edge, max_edge);
  const auto volume = size.integers("volumeSize", 3, patch_edge, max_edge);
  result.volume_size = {volume[0], volume[1], volume[2]};
  result.text_length = size.integer("textLength", 1, text_positions);
  check_grid(size, "imageSize", {result.image_size, result.image_size}, image_positions);
  check_grid(size, "volumeSize", {volume[0], volume[1], volume[2]}, volume_positions);
  return result;
}

Behaviour read_behaviour(const Reader& behaviour) {
  const auto is_first = [&](const char* name, const char* first, const char* second) {
    return behaviour.choice(name, {first, second}) == 0;
  };
  Behaviour result;
  result.causal_text = is_first("attentionText", "causal", "bidirectional");
  result.tiled_text_mask = is_first("attentionTextMask", "tiled", "own");
  result.teacher_train_mode = is_first("teacherMode", "train", "eval");
  result.features_train_mode = is_first("featuresMode", "train", "eval");
  result.features_include_padding = is_first("featuresPadding", "included", "excluded");
  result.sincos_decoder_positions = is_first("decoderPositions", "sincos", "learned-from-zero");
  result.decoder_text_position = behaviour.flag("decoderTextPosition");
  result.random_temporal_position = is_first("temporalPosition", "random", "zero");
  result.distillation_include_padding = is_first("distillationPadding", "included", "excluded");
  result.mixup_real_spans = is_first("mixupText", "real-spans", "tokens-and-padding");
  result.move_idle_parameters = is_first("idleParameters", "move", "rest");
  if (behaviour.has("blocks")) {
    constexpr std::array forms{BlockForm::fused, BlockForm::recomputed, BlockForm::modules};
    result.blocks = forms[behaviour.choice("blocks", {"fused", "recomputed", "modules"})];
  }
  result.mask_ratio = behaviour.number("maskRatio", 0, 1);
  result.drop_path = behaviour.number("dropPath", 0, 1);
  if (result.mask_ratio >= 1) behaviour.refuse("maskRatio", "a number below 1");
  if (result.drop_path >= 1) behaviour.refuse("dropPath", "a number below 1");
  return result;
}

OptimizerOptions read_optimizer(const Reader& optimizer) {
  OptimizerOptions result;
  result.beta1 = optimizer.number("beta1", 0, 1);
  result.beta2 = optimizer.number("beta2", 0, 1);
  result.epsilon = optimizer.number("epsilon", 0, 1);
  result.weight_decay = optimizer.number("weightDecay", 0, 1);
  if (!optimizer.has("maxGradientNorm")) return result;
  result.max_gradient_norm = optimizer.number("maxGradientNorm");
  if (result.max_gradient_norm <= 0) optimizer.refuse("maxGradientNorm", "a number above 0");
  return result;
}

Start read_start(const Reader& start, bool teacher) {
  const size_t kind = teacher ? start.choice("kind", {"random", "file", "formula", "start"})
                              : start.choice("kind", {"random", "file", "formula"});
  Start result;
  switch (kind) {
    case 0:
      result.kind = Start::Kind::random;
      break;
    case 1:
      result.kind = Start::Kind::file;
      result.path = start.file_path("path");
      result.carry_over = start.choice("scope", {"carry-over", "all"}) == 0;
      break;
    case 2:
      result.kind = Start::Kind::formula;
      result.formula_seed = static_cast<uint64_t>(start.integer("seed", 0, max_safe_integer));
      break;
    default:
      result.kind = Start::Kind::same_as_student;
  }
  return result;
}

// Refuses a value outside [low, high], but not `also`.
void check_values(const at::Tensor& values, int64_t low, int64_t high, const char* argument,
                  int64_t also) {
  const auto* data = values.data_ptr<int32_t>();
  for (int64_t i = 0; i < values.numel(); i++) {
    if ((data[i] < low || data[i] > high) && data[i] != also) {
      refuse(std::string(argument) + "[" + std::to_string(i) + "]",
             "an integer from " + std::to_string(low) + " to " + std::to_string(high),
             std::to_string(data[i]));
    }
  }
}

TextBatch read_text(const Reader& batch, const ModelSize& size) {
  const int64_t samples = batch.length("lengths");
  if (samples < 1) batch.refuse("lengths", "an Int32Array of at least 1");
  const int64_t tokens = batch.length("ids") / samples;
  if (tokens < 1 || tokens > size.text_length) {
    batch.refuse("ids", "an Int32Array [" + std::to_string(samples) + ",L], L from 1 to " +
                            std::to_string(size.text_length));
  }
  TextBatch result;
  result.ids_BL = batch.tensor("ids", {samples, tokens}, {napi_int32_array});
  result.lengths_B = batch.tensor("lengths", {samples}, {napi_int32_array});
  check_values(result.ids_BL, 0, size.vocabulary - 1, "batch.ids", 0);
  check_values(result.lengths_B, 1, tokens, "batch.lengths", 1);
  if (batch.has("labels")) {
    result.labels_BL = batch.tensor("labels", {samples, tokens}, {napi_int32_array});
    check_values(result.labels_BL, 0, size.vocabulary - 1, "batch.labels", no_label);
  }
  return result;
}

ImageBatch read_image(const Reader& batch, const ModelSize& size) {
  const auto shape = batch.integers("shape", 4, 1, max_edge);
  if (shape[3] != 1 && shape[3] != 3) batch.refuse("shape", "[B,H,W,C] with C 1 or 3");
  ImageBatch result;
  result.pixels_BHWC = batch.tensor("pixels", shape, {napi_uint8_array, napi_float32_array});
  if (batch.has("crops")) {
    result.crops_B4 = batch.tensor("crops", {shape[0], 4}, {napi_float32_array});
    check_crops(result.crops_B4, shape[1], shape[2], "batch.crops");
    if (result.pixels_BHWC.scalar_type() != at::kByte)
      batch.refuse("pixels", "a Uint8Array, as crops are given");
  } else if (shape[1] != size.image_size || shape[2] != size.image_size) {
    const std::string edge = std::to_string(size.image_size);
    batch.refuse("shape", "[B," + edge + "," + edge + ",C] where there are no crops");
  }
  if (batch.has("flips")) result.flips_B = batch.tensor("flips", {shape[0]}, {napi_uint8_array});
  return result;
}

VolumeBatch read_volume(const Reader& batch, const ModelSize& size) {
  const auto shape = batch.integers("shape", 4, 1, max_edge);
  const auto& volume = size.volume_size;
  if (shape[1] != volume[0] || shape[2] != volume[1] || shape[3] != volume[2]) {
    batch.refuse("shape", "[B," + std::to_string(volume[0]) + "," + std::to_string(volume[1]) +
                              "," + std::to_string(volume[2]) + "]");
  }
  VolumeBatch result;
  result.voxels_BDHW = batch.tensor("voxels", shape, {napi_int16_array, napi_float32_array});
  result.scale = batch.number("scale");
  result.offset = batch.number("offset");
  if (batch.has("flips")) result.flips_B = batch.tensor("flips", {shape[0]}, {napi_uint8_array});
  return result;
}

}  // namespace

void check_crops(const at::Tensor& crops_B4, int64_t height, int64_t width, const char* argument) {
  const auto crops = crops_B4.accessor<float, 2>();
  for (int64_t i = 0; i < crops.size(0); i++) {
    const auto box = crops[i];
    // Negated so that NaN is refused too.
    const bool inside = box[0] >= 0 && box[1] >= 0 && box[2] >= 1 && box[3] >= 1 &&
                        box[0] + box[2] <= static_cast<float>(height) &&
                        box[1] + box[3] <= static_cast<float>(width);
    if (!inside) {
      refuse(std::string(argument) + "[" + std::to_string(i) + "]",
             "top, left, height, width of a box of a pixel or more inside " +
                 shape_text({static_cast<double>(height), static_cast<double>(width)}),
             shape_text({box[0], box[1], box[2], box[3]}));
    }
  }
}

TrainerOptions read_trainer_options(const Napi::Value& value) {
  const Reader options(value, "options");
  TrainerOptions result;
  result.size = read_size(options.child("size"));
  result.behaviour = read_behaviour(options.child("behaviour"));
  result.optimizer = read_optimizer(options.child("optimizer"));
  result.device = options.text("device");
  result.graphs = !options.has("graphs") || options.flag("graphs");
  result.bf16 = options.choice("precision", {"fp32", "bf16"}) == 1;
  if (options.has("accumulate")) result.accumulate = options.integer("accumulate", 1, 1 << 16);
  result.seed = static_cast<uint64_t>(options.integer("seed", 0, max_safe_integer));
  result.stage = options.integer("stage", 0, 0xffff);
  result.start = read_start(options.child("start"), false);
  if (options.has("teacher")) result.teacher = read_start(options.child("teacher"), true);
  return result;
}

Batch read_batch(const Napi::Value& value, const ModelSize& size, bool pinned) {
  Reader batch(value, "batch");
  batch.set_pinned(pinned);
  switch (batch.choice("kind", {"text", "image2d", "volume3d"})) {
    case 0:
      return read_text(batch, size);
    case 1:
      return read_image(batch, size);
    default:
      return read_volume(batch, size);
  }
}

StepKey read_key(const Napi::Value& value) {
  const Reader key(value, "key");
  return {static_cast<uint32_t>(key.integer("stage", 0, 0xffff)),
          static_cast<uint32_t>(key.integer("step", 0, 0xffffffff))};
}

}  // namespace medcoss::addon
