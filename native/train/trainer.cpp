#include "train/trainer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/scalar_tensor.h>

#include <cmath>
#include <limits>

#include "support/device.h"
#include "support/error.h"
#include "train/checkpoint.h"
#include "train/inputs.h"
#include "train/norms.h"
#include "train/state.h"
#include "train/step/mixup.h"

namespace medcoss {
namespace {

const TextBatch& labelled(const TextBatch& batch) {
  if (!batch.labels_BL.defined()) refuse("labels", "an id or -100 per token", "none");
  if (batch.labels_BL.sizes() != batch.ids_BL.sizes())
    refuse("labels", "the shape of ids", "another");
  return batch;
}

}  // namespace

PrecisionScope::PrecisionScope(bool bf16) : active_(bf16 && has_bf16_products()) {
  if (!active_) return;
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
}

PrecisionScope::~PrecisionScope() {
  if (!active_) return;
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
}

Trainer::State::State(const TrainerOptions& trainer_options)
    : options((check_size(trainer_options.size), check_device(trainer_options.device),
               trainer_options)),
      student(options.size, options.behaviour, Network::Role::student),
      optimizer(student.parameters(), options.optimizer, options.behaviour.move_idle_parameters) {
  const auto stage = static_cast<uint32_t>(options.stage);
  start_network(student, options.start, options.seed, stage);
  if (!options.teacher) return;
  teacher = std::make_unique<Network>(options.size, options.behaviour, Network::Role::teacher);
  if (options.teacher->kind == Start::Kind::same_as_student)
    copy_parameters(student, *teacher);
  else
    start_network(*teacher, *options.teacher, options.seed, stage);
}

Stochastic Trainer::State::student_draws(const StepDraws& draws, bool training,
                                         int64_t samples) const {
  if (!training) return {};
  return draws.training(StepDraws::Network::student, options.behaviour, options.size.encoder_layers,
                        samples);
}

Outcome Trainer::State::objective(const Batch& batch, const StepDraws& draws, bool replay,
                                  bool training, bool whole_text) const {
  return replay ? replayed(batch, draws, training) : plain(batch, draws, training, whole_text);
}

Outcome Trainer::State::plain(const Batch& batch, const StepDraws& draws, bool training,
                              bool whole_text) const {
  const Stochastic stochastic = student_draws(draws, training, samples_of(batch));
  if (const auto* text = std::get_if<TextBatch>(&batch)) {
    const TextInput input = prepare_text(labelled(*text), options.size);
    if (whole_text) return masked_words_whole(student, input, text->labels_BL, stochastic);
    return masked_words(student, trimmed(input), text->labels_BL, stochastic);
  }
  const VisualInput input = prepare_visual(batch, options.size);
  const at::Tensor noise = draws.noise(input.patches_BLV.size(0), input.patches_BLV.size(1));
  return masked_patches(student, input, noise, stochastic);
}

Outcome Trainer::State::replayed(const Batch& batch, const StepDraws& draws, bool training) const {
  const bool given = draws.targets().defined();
  if (!teacher && !given) throw Error("E_NO_TEACHER", {});
  const Behaviour& behaviour = options.behaviour;
  const int64_t samples = samples_of(batch);
  Pair pair{student, teacher.get(), student_draws(draws, training, samples), {}, draws.targets()};
  if (training && behaviour.teacher_train_mode) {
    pair.teacher_draws = draws.training(StepDraws::Network::teacher, behaviour,
                                        options.size.encoder_layers, samples);
  }
  if (const auto* text = std::get_if<TextBatch>(&batch)) {
    const TextInput input = prepare_text(*text, options.size);
    const TextInput mixed = given ? input : mixup(input, draws, behaviour.mixup_real_spans);
    return distil(pair, behaviour.distillation_include_padding ? mixed : trimmed(mixed));
  }
  const VisualInput input = prepare_visual(batch, options.size);
  const VisualInput mixed = given ? input : mixup(input, draws);
  return distil(pair, mixed, draws.noise(samples, mixed.patches_BLV.size(1)));
}

void Trainer::State::clear_gradients() const {
  for (const Parameter& parameter : student.parameters()) parameter.tensor.mutable_grad().reset();
}

Trainer::Trainer(const TrainerOptions& options) : state_(std::make_unique<State>(options)) {}
Trainer::~Trainer() = default;

StepResult Trainer::train_step(const Batch& batch, StepKey key, double learning_rate, bool replay,
                               const Injected& injected) {
  const at::AutoGradMode grad(true);
  const StepDraws draws(state_->options.seed, key, injected);
  StepResult result;
  result.samples = samples_of(batch);
  {
    const PrecisionScope precision(state_->options.bf16);
    const at::Tensor loss = state_->objective(batch, draws, replay, true, false).loss;
    result.loss = loss.item<double>();
    if (std::isfinite(result.loss)) loss.backward();
  }
  const bool finite_loss = std::isfinite(result.loss);
  result.gradient_norm = finite_loss ? gradient_norm(state_->student.parameters())
                                     : std::numeric_limits<double>::quiet_NaN();
  result.skipped = !std::isfinite(result.gradient_norm);
  if (finite_loss) {
    state_->optimizer.step(learning_rate, at::scalar_tensor(result.skipped ? 1 : 0, at::kFloat));
  }
  state_->clear_gradients();
  return result;
}

StepResult Trainer::evaluate(const Batch& batch, StepKey key) {
  const at::NoGradGuard no_grad;
  const PrecisionScope precision(state_->options.bf16);
  const StepDraws draws(state_->options.seed, key, {});
  StepResult result;
  result.samples = samples_of(batch);
  result.loss = state_->objective(batch, draws, false, false, false).loss.item<double>();
  return result;
}

at::Tensor Trainer::features(const Batch& batch, StepKey key) {
  const at::NoGradGuard no_grad;
  const PrecisionScope precision(state_->options.bf16);
  const Behaviour& behaviour = state_->options.behaviour;
  const ModelSize& size = state_->options.size;
  Stochastic stochastic;
  if (behaviour.features_train_mode) {
    stochastic = StepDraws(state_->options.seed, key, {})
                     .training(StepDraws::Network::student, behaviour, size.encoder_layers,
                               samples_of(batch));
  }
  if (const auto* text = std::get_if<TextBatch>(&batch)) {
    const TextInput whole = prepare_text(*text, size);
    if (behaviour.features_include_padding) {
      return state_->student.encode_text(whole, stochastic).to(at::kFloat).mean(1);
    }
    const TextInput input = trimmed(whole);
    const at::Tensor encoded = state_->student.encode_text(input, stochastic).to(at::kFloat);
    const at::Tensor real = input.real_BL.unsqueeze(-1).to(at::kFloat);
    return (encoded * real).sum(1).div_(real.sum(1));
  }
  const VisualInput input = prepare_visual(batch, size);
  const Masking all = no_masking(input.patches_BLV.size(0), input.patches_BLV.size(1));
  return state_->student.encode_visual(input, all, stochastic).to(at::kFloat).mean(1);
}

std::map<std::string, double> Trainer::parameter_norms() {
  const at::NoGradGuard no_grad;
  std::map<std::string, double> norms;
  for (const Parameter& parameter : state_->student.parameters()) {
    norms[parameter.name] = l2_norm(parameter.tensor);
  }
  return norms;
}

void Trainer::save(const std::string& directory) {
  save_model(state_->student, directory + "/model.safetensors");
  write_safetensors(directory + "/optimizer.safetensors", state_->optimizer.state());
}

void Trainer::load(const std::string& directory) {
  const SafetensorsReader moments(directory + "/optimizer.safetensors");
  load_model(state_->student, directory + "/model.safetensors");
  state_->optimizer.load(moments);
}

}  // namespace medcoss
