#include "train/trainer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <limits>

#include "support/device.h"
#include "support/error.h"
#include "support/tensor_memory.h"
#include "train/checkpoint.h"
#include "train/inputs.h"
#include "train/norms.h"
#include "train/state.h"

namespace medcoss {

PrecisionScope::PrecisionScope(const TrainerOptions& options, at::Device device)
    : device_(device.type()), active_(options.bf16 && (!device.is_cpu() || has_bf16_products())) {
  if (!active_) return;
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::set_autocast_enabled(device_, true);
}

PrecisionScope::~PrecisionScope() {
  if (!active_) return;
  at::autocast::set_autocast_enabled(device_, false);
  at::autocast::clear_cache();
}

Trainer::State::State(const TrainerOptions& trainer_options)
    : options((check_size(trainer_options.size), trainer_options)),
      device(find_device(options.device)),
      device_steps(device.is_cpu() ? nullptr
                                   : std::make_unique<DeviceSteps>(device, options.graphs)),
      student(options.size, options.behaviour, Network::Role::student, device),
      optimizer(student.parameters(), options.optimizer, options.behaviour.move_idle_parameters) {
  const auto stage = static_cast<uint32_t>(options.stage);
  start_network(student, options.start, options.seed, stage);
  if (!options.teacher) return;
  teacher =
      std::make_unique<Network>(options.size, options.behaviour, Network::Role::teacher, device);
  if (options.teacher->kind == Start::Kind::same_as_student)
    copy_parameters(student, *teacher);
  else
    start_network(*teacher, *options.teacher, options.seed, stage);
}

StepInputs Trainer::State::host_inputs(const Batch& batch, const StepDraws& draws,
                                       const StepMode& mode) const {
  if (mode.replay && !teacher && !draws.targets().defined()) throw Error("E_NO_TEACHER", {});
  return step_inputs(options, device, batch, draws, mode);
}

StepInputs Trainer::State::inputs(const Batch& batch, const StepDraws& draws,
                                  const StepMode& mode) const {
  return on_device(host_inputs(batch, draws, mode), device);
}

Outcome Trainer::State::objective(const StepInputs& inputs) const {
  return inputs.mode.replay ? replayed(inputs) : plain(inputs);
}

Outcome Trainer::State::plain(const StepInputs& inputs) const {
  if (inputs.filled) return masked_words(student, *inputs.filled, inputs.labels, inputs.student);
  if (inputs.is_text()) {
    if (!inputs.mode.whole_text)
      return masked_words(student, inputs.text, inputs.labels, inputs.student);
    return masked_words_whole(student, inputs.text, inputs.labels, inputs.student);
  }
  return masked_patches(student, prepare_visual(inputs.batch, options.size), inputs.noise_BL,
                        inputs.student);
}

Outcome Trainer::State::replayed(const StepInputs& inputs) const {
  const Pair pair{student, teacher.get(), inputs.student, inputs.teacher, inputs.targets_BLW};
  if (inputs.filled) return distil(pair, *inputs.filled);
  if (inputs.is_text()) return distil(pair, inputs.text);
  VisualInput mixed = prepare_visual(inputs.batch, options.size, inputs.mix);
  mixed.patches_BLV = mixed.patches_BLV.narrow(0, 0, inputs.samples);
  return distil(pair, mixed, inputs.noise_BL);
}

at::Tensor Trainer::State::backward(const StepParts& step) const {
  const at::AutoGradMode grad(true);
  const PrecisionScope precision(options, device);
  at::Tensor total;
  for (const StepInputs& part : step.parts) {
    at::Tensor loss = objective(part).loss;
    if (part.weight != 1) loss = loss * part.weight;
    total = total.defined() ? total + loss.detach() : loss.detach();
    // On the CPU the answer is there already, and saves the rest.
    if (device.is_cpu() && !std::isfinite(total.item<double>())) break;
    loss.backward();
  }
  return total;
}

at::Tensor Trainer::State::update(const StepParts& step) {
  const at::Tensor loss = backward(step);
  const at::NoGradGuard no_grad;
  if (device.is_cpu() && !std::isfinite(loss.item<double>())) {
    clear_gradients();
    return at::tensor({loss.item<double>(), std::numeric_limits<double>::quiet_NaN(), 1.0});
  }
  const auto shadow_of = [&](const at::Tensor& parameter) { return student.shadow_of(parameter); };
  const at::Tensor outcome = optimizer.step(step.learning_rate, loss, shadow_of);
  if (device.is_cpu()) student.parameters_changed();
  clear_gradients();
  return at::cat({loss.to(at::kDouble).view(1), outcome});
}

void Trainer::State::clear_gradients() const {
  for (const Parameter& parameter : student.parameters()) parameter.tensor.mutable_grad().reset();
}

void Trainer::State::release() {
  clear_gradients();
  if (device_steps) device_steps->forget();
}

Trainer::Trainer(const TrainerOptions& options) {
  keep_tensor_memory();
  state_ = std::make_unique<State>(options);
}

Trainer::~Trainer() {
  state_.reset();
  release_tensor_memory();
}

StartedStep Trainer::start_step(const Batch& batch, StepKey key, double learning_rate, bool replay,
                                const Injected& injected) {
  State& state = *state_;
  const StepDraws draws(state.options.seed, key, injected);
  StepParts step = in_parts(state.host_inputs(batch, draws, {replay, true, false}), state.options,
                            !state.device.is_cpu());
  const auto type = state.device.is_cpu() ? at::kDouble : at::kFloat;
  step.learning_rate = at::scalar_tensor(learning_rate, type);
  const auto update = [&](const StepParts& ready) { return state.update(ready); };
  if (state.device_steps) {
    // A graph changes the shadows that there were when it was recorded.
    const std::string work =
        state.optimizer.work() + ' ' + std::to_string(state.student.shadow_count());
    return within_memory([&] { return state.device_steps->start(std::move(step), work, update); });
  }
  const at::Tensor report = update(step);
  const auto* values = report.const_data_ptr<double>();
  const StepResult result{values[0], values[1], values[2] != 0, samples_of(batch)};
  return {[] { return true; }, [result] { return result; }};
}

StepResult Trainer::evaluate(const Batch& batch, StepKey key) {
  const at::NoGradGuard no_grad;
  const PrecisionScope precision(state_->options, state_->device);
  const StepDraws draws(state_->options.seed, key, {});
  StepResult result;
  result.samples = samples_of(batch);
  result.loss = state_->objective(state_->inputs(batch, draws, {})).loss.item<double>();
  return result;
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
  // Graphs hold the moments that there were.
  if (state_->device_steps) state_->device_steps->forget();
  load_model(state_->student, directory + "/model.safetensors");
  state_->student.parameters_changed();
  state_->optimizer.load(moments);
}

}  // namespace medcoss
