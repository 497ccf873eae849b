// The JavaScript class `Trainer`: one medcoss::Trainer behind one executor.
//
// Invariant: the trainer is made, used and destroyed on its executor only. While a call is in
// flight the object is referenced, so it is collected idle; a collected object hands its trainer's
// destruction to the executor.
#pragma once

#include <napi.h>

#include <deque>
#include <exception>
#include <functional>
#include <memory>

#include "addon/call.h"
#include "addon/environment.h"
#include "train/trainer.h"

namespace medcoss::addon {

class TrainerWrap final : public Napi::ObjectWrap<TrainerWrap> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit TrainerWrap(const Napi::CallbackInfo& info);
  ~TrainerWrap() override;

 private:
  // A step that the device works on, and what to do once its result is there.
  struct Running {
    StartedStep step;
    std::function<void()> settle;
  };

  // Touched on the executor only.
  struct Slot {
    std::unique_ptr<Trainer> trainer;
    std::exception_ptr failure;
    // In the order in which they were started.
    std::deque<Running> running;

    void construct(const TrainerOptions& options);
    Trainer& get();
    // Settles steps that are done, and waits until at most `limit` are not.
    void settle(size_t limit);
    // The same without waiting; returns whether any is left.
    bool settle_done();
  };

  Napi::Value Ready(const Napi::CallbackInfo& info);
  Napi::Value TrainStep(const Napi::CallbackInfo& info);
  Napi::Value Evaluate(const Napi::CallbackInfo& info);
  Napi::Value Features(const Napi::CallbackInfo& info);
  Napi::Value Reconstruct(const Napi::CallbackInfo& info);
  Napi::Value RunProbe(const Napi::CallbackInfo& info);
  Napi::Value ParameterNorms(const Napi::CallbackInfo& info);
  Napi::Value Save(const Napi::CallbackInfo& info);
  Napi::Value Load(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  template <typename Result>
  Napi::Value submit(const Napi::CallbackInfo& info, std::function<Result(Trainer&)> work,
                     typename Call<Result>::Convert convert);
  // Starts a step; its promise is settled when the device is done with it.
  Napi::Value submit_step(const Napi::CallbackInfo& info,
                          std::function<StartedStep(Trainer&)> start);
  void check_open() const;

  std::shared_ptr<Environment> environment_;
  std::shared_ptr<Executor> executor_;
  std::shared_ptr<Slot> slot_;
  ModelSize size_{};
  // Batches are copied to memory that a device reads by itself.
  bool pinned_ = false;
  // The promise of `close`, the same for every call of it.
  Napi::Reference<Napi::Promise> closed_;
};

}  // namespace medcoss::addon
