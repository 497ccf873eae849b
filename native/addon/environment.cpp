#include "addon/environment.h"

namespace medcoss::addon {

namespace {

void check(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

struct Holder {
  std::shared_ptr<Environment> environment;
};

}  // namespace

void Environment::create(Napi::Env env) {
  env.SetInstanceData(new Holder{std::shared_ptr<Environment>(new Environment(env))});
}

std::shared_ptr<Environment> Environment::of(Napi::Env env) {
  return env.GetInstanceData<Holder>()->environment;
}

Environment::Environment(Napi::Env env) : env_(env) {
  const auto name = Napi::String::New(env, "medcoss");
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                             this, &Environment::on_completion, &channel_));
  check(env, napi_unref_threadsafe_function(env, channel_));
  // Hooks run last in, first out: this one comes before the channel's own.
  check(env, napi_add_env_cleanup_hook(env, &Environment::on_teardown, this));
}

Environment::~Environment() = default;

void Environment::expect() {
  if (expected_++ == 0) napi_ref_threadsafe_function(env_, channel_);
}

void Environment::settled() {
  if (--expected_ == 0) napi_unref_threadsafe_function(env_, channel_);
}

void Environment::complete(std::unique_ptr<Completion> completion) {
  Completion* raw = completion.release();
  const napi_status status = napi_call_threadsafe_function(channel_, raw, napi_tsfn_nonblocking);
  // Refused only while the environment ends; what belongs to JavaScript dies with it.
  if (status != napi_ok) raw->abandon();
}

std::shared_ptr<Executor> Environment::start_executor(const char* thread_name) {
  executors_.push_back(std::make_shared<Executor>(thread_name));
  return executors_.back();
}

void Environment::retire(const std::shared_ptr<Executor>& executor) {
  executor->join();
  executors_.remove(executor);
}

Executor& Environment::shared_executor() {
  if (!shared_executor_) shared_executor_ = start_executor("medcoss-ops");
  return *shared_executor_;
}

void Environment::on_completion(napi_env env, napi_value, void* context, void* data) {
  std::unique_ptr<Completion> completion(static_cast<Completion*>(data));
  auto* self = static_cast<Environment*>(context);
  if (env == nullptr || self->ending_) {
    completion->abandon();
    return;
  }
  self->settled();
  try {
    const Napi::HandleScope scope(env);
    completion->deliver(env);
  } catch (const Napi::Error&) {
    // A worker that is being ended refuses every call; nobody waits for the promise any more.
    completion->abandon();
  }
}

void Environment::on_teardown(void* data) {
  auto* self = static_cast<Environment*>(data);
  self->ending_ = true;
  for (const auto& executor : self->executors_) executor->abandon();
  for (const auto& executor : self->executors_) executor->join();
}

}  // namespace medcoss::addon
