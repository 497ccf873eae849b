#include "train/step/inputs.h"

#include <ATen/ops/argsort.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "support/error.h"
#include "train/inputs.h"

namespace medcoss {
namespace {

// Where shapes are to repeat: lengths and numbers of labels are multiples of these.
constexpr int64_t length_step = 16;
constexpr int64_t label_step = 128;

int64_t rounded_up(int64_t count, int64_t step) {
  return (count + step - 1) / step * step;
}

const TextBatch& labelled(const TextBatch& batch) {
  if (!batch.labels_BL.defined()) refuse("labels", "an id or -100 per token", "none");
  if (batch.labels_BL.sizes() != batch.ids_BL.sizes())
    refuse("labels", "the shape of ids", "another");
  return batch;
}

int64_t patches_of(const Batch& batch, const ModelSize& size) {
  const bool flat = std::holds_alternative<ImageBatch>(batch);
  const auto grid = flat ? size.image_grid() : size.volume_grid();
  return grid[0] * grid[1] * grid[2];
}

class Preparation {
 public:
  Preparation(const TrainerOptions& options, at::Device device, const StepDraws& draws)
      : options_(options), draws_(draws), fixed_shapes_(!device.is_cpu()) {}

  void texts(const TextBatch& batch, StepInputs& inputs) const {
    const Behaviour& behaviour = options_.behaviour;
    TextInput input = prepare_text(batch, options_.size);
    if (inputs.mode.replay) {
      if (!draws_.targets().defined()) input = mixup(input, draws_, behaviour.mixup_real_spans);
      if (packs(inputs))
        inputs.filled = FilledText(input, options_.size.text_length, 1);
      else
        inputs.text = behaviour.distillation_include_padding ? input : cut(input);
      return;
    }
    const Labels labels(labelled(batch).labels_BL, input.ids_BL.size(1));
    const at::Tensor real = input.real_BL.flatten().index_select(0, labels.position_N);
    if (packs(inputs) && real.all().item<bool>()) return filled_words(input, labels, inputs);
    inputs.text = inputs.mode.whole_text ? input : cut(input);
    inputs.labels = Labels(batch.labels_BL, inputs.text.ids_BL.size(1));
    if (fixed_shapes_) pad(inputs.labels);
  }

  void pictures(const Batch& batch, StepInputs& inputs) const {
    inputs.batch = batch;
    const int64_t samples = inputs.samples;
    inputs.noise_BL = draws_.noise(samples, patches_of(batch, options_.size));
    const bool mixes = inputs.mode.replay && !draws_.targets().defined();
    if (mixes) inputs.mix = {draws_.partner(samples), draws_.lambda(samples)};
  }

  void stochastic(StepInputs& inputs) const {
    if (!inputs.mode.training) return;
    const auto draw = [&](StepDraws::Network network) {
      return draws_.training(network, options_.behaviour, options_.size.encoder_layers,
                             inputs.samples, fixed_shapes_);
    };
    inputs.student = draw(StepDraws::Network::student);
    const bool both = inputs.mode.replay && options_.behaviour.teacher_train_mode;
    if (both) inputs.teacher = draw(StepDraws::Network::teacher);
  }

 private:
  // Whoever gives targets, or wants every position, counts padding; parts are cut from whole texts.
  bool packs(const StepInputs& inputs) const {
    const ModelSize& size = options_.size;
    const bool takes_heads = size.encoder_width / size.encoder_heads % 8 == 0;
    return fixed_shapes_ && takes_heads && packs_texts(options_.behaviour) &&
           !inputs.mode.whole_text && !draws_.targets().defined() && options_.accumulate == 1;
  }

  void filled_words(const TextInput& input, const Labels& labels, StepInputs& inputs) const {
    const int64_t count = labels.id_N.size(0);
    const int64_t wanted = rounded_up(std::max<int64_t>(count, 1), label_step);
    inputs.filled = FilledText(input, options_.size.text_length, wanted);
    const at::Tensor row = input.real_BL.flatten().cumsum(0, at::kLong).sub_(1);
    at::Tensor id_N = at::full(inputs.filled->ids_N.sizes(), no_label, at::kLong);
    id_N.index_copy_(0, row.index_select(0, labels.position_N), labels.id_N);
    inputs.labels = first_labelled(id_N, wanted);
  }

  // All labelled rows, and as many others, each once, as make `count`.
  static Labels first_labelled(const at::Tensor& id_N, int64_t count) {
    const at::Tensor order = id_N.eq(no_label).to(at::kByte).argsort(true, 0, false);
    Labels labels;
    labels.position_N = std::get<0>(order.narrow(0, 0, count).sort());
    labels.id_N = id_N.index_select(0, labels.position_N);
    return labels;
  }

  TextInput cut(const TextInput& input) const {
    return trimmed(input, fixed_shapes_ ? length_step : 1);
  }

  const TrainerOptions& options_;
  const StepDraws& draws_;
  bool fixed_shapes_;
};

}  // namespace

std::vector<at::Tensor*> StepInputs::tensors() {
  std::vector<at::Tensor*> all{&text.ids_BL,     &text.real_BL,     &labels.position_N,
                               &labels.id_N,     &noise_BL,         &mix.partner_B,
                               &mix.weight_B,    &targets_BLW,      &student.scale_SB,
                               &student.frame_1, &teacher.scale_SB, &teacher.frame_1};
  if (filled) {
    for (auto* tensor :
         {&filled->ids_N, &filled->place_N, &filled->owner_N, &filled->starts, &filled->real_N})
      all.push_back(tensor);
  }
  if (auto* image = std::get_if<ImageBatch>(&batch)) {
    for (auto* tensor : {&image->pixels_BHWC, &image->crops_B4, &image->flips_B})
      all.push_back(tensor);
  } else if (auto* volume = std::get_if<VolumeBatch>(&batch)) {
    for (auto* tensor : {&volume->voxels_BDHW, &volume->flips_B}) all.push_back(tensor);
  }
  return all;
}

StepInputs step_inputs(const TrainerOptions& options, at::Device device, const Batch& batch,
                       const StepDraws& draws, const StepMode& mode) {
  StepInputs inputs;
  inputs.mode = mode;
  inputs.samples = samples_of(batch);
  inputs.targets_BLW = draws.targets();
  const Preparation preparation(options, device, draws);
  if (const auto* text = std::get_if<TextBatch>(&batch))
    preparation.texts(*text, inputs);
  else
    preparation.pictures(batch, inputs);
  preparation.stochastic(inputs);
  return inputs;
}

StepInputs on_device(StepInputs inputs, at::Device device) {
  for (at::Tensor* tensor : inputs.tensors()) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return inputs;
}

void pad(Labels& labels) {
  const int64_t count = labels.id_N.size(0);
  const int64_t missing = rounded_up(std::max<int64_t>(count, 1), label_step) - count;
  labels.position_N = at::constant_pad_nd(labels.position_N, {0, missing}, 0);
  labels.id_N = at::constant_pad_nd(labels.id_N, {0, missing}, no_label);
}

}  // namespace medcoss
