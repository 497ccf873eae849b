// The JavaScript class `Trainer`: one medcoss::Trainer behind one executor.
//
// Invariant: the trainer is made, used and destroyed on its executor only. While a call is in
// flight the object is referenced, so it is collected idle; a collected object hands its trainer's
// destruction to the executor.
#pragma once

#include <napi.h>

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
  // Touched on the executor only.
  struct Slot {
    std::unique_ptr<Trainer> trainer;
    std::exception_ptr failure;

    void construct(const TrainerOptions& options);
    Trainer& get();
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
  void check_open() const;

  std::shared_ptr<Environment> environment_;
  std::shared_ptr<Executor> executor_;
  std::shared_ptr<Slot> slot_;
  ModelSize size_{};
  // The promise of `close`, the same for every call of it.
  Napi::Reference<Napi::Promise> closed_;
};

}  // namespace medcoss::addon
