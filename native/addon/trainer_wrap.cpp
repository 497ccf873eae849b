#include "addon/trainer_wrap.h"

#include "addon/marshal.h"
#include "addon/reader.h"
#include "addon/results.h"
#include "support/cuda.h"
#include "support/error.h"

namespace medcoss::addon {

namespace {

// Steps that may be started and not done: while one runs, the next is uploaded.
constexpr size_t in_flight = 2;

const char* kind_of(const Batch& batch) {
  if (std::holds_alternative<TextBatch>(batch)) return "text";
  return std::holds_alternative<ImageBatch>(batch) ? "image2d" : "volume3d";
}

std::string read_directory(const Napi::CallbackInfo& info) {
  const auto arguments = Napi::Object::New(info.Env());
  arguments.Set("directory", info[0]);
  return Reader(arguments, "arguments").file_path("directory");
}

// Joins the executor of a trainer that was dropped without close.
class Retirement final : public Completion {
 public:
  Retirement(std::shared_ptr<Environment> environment, std::shared_ptr<Executor> executor)
      : environment_(std::move(environment)), executor_(std::move(executor)) {}
  void deliver(Napi::Env) override { environment_->retire(executor_); }

 private:
  std::shared_ptr<Environment> environment_;
  std::shared_ptr<Executor> executor_;
};

}  // namespace

void TrainerWrap::Slot::construct(const TrainerOptions& options) {
  try {
    trainer = std::make_unique<Trainer>(options);
  } catch (...) {
    failure = std::current_exception();
  }
}

Trainer& TrainerWrap::Slot::get() {
  if (failure) std::rethrow_exception(failure);
  return *trainer;
}

bool TrainerWrap::Slot::settle_done() {
  while (!running.empty() && running.front().step.done()) settle(running.size() - 1);
  return !running.empty();
}

void TrainerWrap::Slot::settle(size_t limit) {
  while (running.size() > limit) {
    running.front().settle();
    running.pop_front();
  }
}

Napi::Function TrainerWrap::define(Napi::Env env) {
  return DefineClass(
      env, "Trainer",
      {InstanceMethod("ready", &TrainerWrap::Ready),
       InstanceMethod("trainStep", &TrainerWrap::TrainStep),
       InstanceMethod("evaluate", &TrainerWrap::Evaluate),
       InstanceMethod("features", &TrainerWrap::Features),
       InstanceMethod("reconstruct", &TrainerWrap::Reconstruct),
       InstanceMethod("probe", &TrainerWrap::RunProbe),
       InstanceMethod("parameterNorms", &TrainerWrap::ParameterNorms),
       InstanceMethod("save", &TrainerWrap::Save), InstanceMethod("load", &TrainerWrap::Load),
       InstanceMethod("close", &TrainerWrap::Close)});
}

TrainerWrap::TrainerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TrainerWrap>(info) {
  guarded(info, [&] {
    const TrainerOptions options = read_trainer_options(info[0]);
    size_ = options.size;
    pinned_ = options.device != "cpu" && has_cuda_library();
    environment_ = Environment::of(info.Env());
    slot_ = std::make_shared<Slot>();
    executor_ = environment_->start_executor("medcoss-trainer");
    executor_->post([slot = slot_, options, executor = executor_.get()] {
      slot->construct(options);
      executor->set_watch([slot] { return slot->settle_done(); });
    });
    return info.Env().Undefined();
  });
}

TrainerWrap::~TrainerWrap() {
  if (!executor_ || !closed_.IsEmpty() || environment_->ending()) return;
  environment_->expect();
  executor_->finish([environment = environment_, executor = executor_, slot = slot_] {
    slot->settle(0);
    slot->trainer.reset();
    environment->complete(std::make_unique<Retirement>(environment, executor));
  });
}

void TrainerWrap::check_open() const {
  if (!closed_.IsEmpty()) throw Error("E_CLOSED", {{"what", "trainer"}});
}

template <typename Result>
Napi::Value TrainerWrap::submit(const Napi::CallbackInfo& info,
                                std::function<Result(Trainer&)> work,
                                typename Call<Result>::Convert convert) {
  auto on_executor = [slot = slot_, work = std::move(work)] {
    slot->settle(0);
    return work(slot->get());
  };
  auto call = std::make_unique<Call<Result>>(info.Env(), Value(), std::move(on_executor),
                                             std::move(convert));
  const Napi::Promise promise = call->promise();
  environment_->expect();
  executor_->post(job_of(*environment_, std::move(call)));
  return promise;
}

Napi::Value TrainerWrap::submit_step(const Napi::CallbackInfo& info,
                                     std::function<StartedStep(Trainer&)> start) {
  // Filled by the job that starts the step, read by the call that settles its promise.
  auto step = std::make_shared<StartedStep>();
  auto call = std::make_unique<Call<StepResult>>(
      info.Env(), Value(), [step] { return step->result(); }, to_step_result);
  const Napi::Promise promise = call->promise();
  auto settle = job_of(*environment_, std::move(call));
  environment_->expect();
  executor_->post([slot = slot_, step, settle = std::move(settle), start = std::move(start)] {
    slot->settle(in_flight - 1);
    try {
      *step = start(slot->get());
    } catch (...) {
      // Steps before this one fail or succeed first.
      step->done = [] { return true; };
      step->result = [error = std::current_exception()]() -> StepResult {
        std::rethrow_exception(error);
      };
    }
    slot->running.push_back({*step, settle});
    slot->settle_done();
  });
  return promise;
}

Napi::Value TrainerWrap::Ready(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    return submit<Nothing>(
        info, [](Trainer&) { return Nothing{}; }, to_undefined);
  });
}

Napi::Value TrainerWrap::TrainStep(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    const Batch batch = read_batch(info[0], size_, pinned_);
    const StepKey key = read_key(info[1]);
    const StepOptions options = read_step_options(info[2], batch, size_);
    return submit_step(info, [batch, key, options](Trainer& trainer) {
      return trainer.start_step(batch, key, options.learning_rate, options.replay,
                                options.injected);
    });
  });
}

Napi::Value TrainerWrap::Evaluate(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    const Batch batch = read_batch(info[0], size_, pinned_);
    const StepKey key = read_key(info[1]);
    return submit<StepResult>(
        info, [batch, key](Trainer& trainer) { return trainer.evaluate(batch, key); },
        to_step_result);
  });
}

Napi::Value TrainerWrap::Features(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    const Batch batch = read_batch(info[0], size_, pinned_);
    const StepKey key = read_key(info[1]);
    return submit<at::Tensor>(
        info, [batch, key](Trainer& trainer) { return trainer.features(batch, key); }, to_float32);
  });
}

Napi::Value TrainerWrap::Reconstruct(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    const Batch batch = read_batch(info[0], size_, pinned_);
    const StepKey key = read_key(info[1]);
    return submit<Reconstruction>(
        info, [batch, key](Trainer& trainer) { return trainer.reconstruct(batch, key); },
        [kind = kind_of(batch)](Napi::Env env, const Reconstruction& result) {
          return to_reconstruction(env, result, kind);
        });
  });
}

Napi::Value TrainerWrap::RunProbe(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    const Batch batch = read_batch(info[0], size_, pinned_);
    const StepKey key = read_key(info[1]);
    const ProbeOptions options = read_probe_options(info[2], batch, size_);
    return submit<Probe>(
        info,
        [batch, key, options](Trainer& trainer) { return trainer.probe(batch, key, options); },
        to_probe);
  });
}

Napi::Value TrainerWrap::ParameterNorms(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    using Norms = std::map<std::string, double>;
    return submit<Norms>(
        info, [](Trainer& trainer) { return trainer.parameter_norms(); }, to_norms);
  });
}

Napi::Value TrainerWrap::Save(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    const std::string directory = read_directory(info);
    return submit<Nothing>(
        info,
        [directory](Trainer& trainer) {
          trainer.save(directory);
          return Nothing{};
        },
        to_undefined);
  });
}

Napi::Value TrainerWrap::Load(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&] {
    check_open();
    const std::string directory = read_directory(info);
    return submit<Nothing>(
        info,
        [directory](Trainer& trainer) {
          trainer.load(directory);
          return Nothing{};
        },
        to_undefined);
  });
}

Napi::Value TrainerWrap::Close(const Napi::CallbackInfo& info) {
  return asynchronous(info, [&]() -> Napi::Value {
    if (!closed_.IsEmpty()) return closed_.Value();
    auto destroy = [slot = slot_] {
      slot->settle(0);
      slot->trainer.reset();
      return Nothing{};
    };
    auto retire = [environment = environment_, executor = executor_](Napi::Env env,
                                                                     const Nothing&) {
      environment->retire(executor);
      return env.Undefined();
    };
    auto call = std::make_unique<Call<Nothing>>(info.Env(), Value(), destroy, retire);
    const Napi::Promise promise = call->promise();
    closed_ = Napi::Reference<Napi::Promise>::New(promise, 1);
    environment_->expect();
    executor_->finish(job_of(*environment_, std::move(call)));
    return promise;
  });
}

}  // namespace medcoss::addon
