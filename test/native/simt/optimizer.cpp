// Multi-tensor AdamW on the host against its definition in float64.
#include <memory>

#include "checks.h"
#include "ops/cuda/adamw_kernels.h"

using namespace medcoss;
using simt::Buffer;
using simt::compare;
using simt::fill;
using simt::precision;
using std::vector;

namespace {

struct Kind {
  size_t count, shift;
  bool idle, half, shadow, decays;
};

struct Tensor {
  Kind kind;
  Buffer<float> value, average, square, steps, gradient;
  Buffer<simt::bf16> half, shadow;
  vector<double> expected, expected_average, expected_square;
  double expected_steps;

  // Gradients and moments are of the size of `scale`.
  Tensor(const Kind& k, uint64_t seed, double scale)
      : kind(k),
        value(k.count, k.shift),
        average(k.count),
        square(k.count),
        steps(1),
        gradient(k.count, k.shift),
        half(k.count, k.shift),
        shadow(k.count),
        expected_steps(static_cast<double>(seed % 5)) {
    fill(value, seed);
    fill(average, seed + 1, -0.1 * scale, 0.1 * scale);
    fill(square, seed + 2, 0, 0.1 * scale * scale);
    steps[0] = static_cast<float>(expected_steps);
    for (size_t i = 0; i < k.count; ++i) {
      expected.push_back(value[i]);
      expected_average.push_back(average[i]);
      expected_square.push_back(square[i]);
    }
  }

  void draw(uint64_t seed, double scale) {
    fill(gradient, seed, -0.3 * scale, 0.5 * scale);
    fill(half, seed, -0.3 * scale, 0.5 * scale);
  }
  double gradient_at(size_t i) const {
    if (kind.idle) return 0;
    return kind.half ? simt::real(half[i]) : gradient[i];
  }
  cuda::AdamwSlot slot() {
    const void* source = kind.half ? static_cast<void*>(half.get()) : gradient.get();
    return {value.get(),
            kind.idle ? nullptr : source,
            average.get(),
            square.get(),
            steps.get(),
            kind.shadow ? shadow.get() : nullptr,
            static_cast<int64_t>(kind.count),
            kind.half,
            kind.decays};
  }
};

constexpr double beta1 = 0.9;
constexpr double beta2 = 0.95;
constexpr double epsilon = 1e-8;
constexpr double decay = 0.05;

void definition(Tensor& t, double rate, double factor) {
  t.expected_steps += 1;
  const double first = 1 - std::pow(beta1, t.expected_steps);
  const double second = 1 - std::pow(beta2, t.expected_steps);
  for (size_t i = 0; i < t.kind.count; ++i) {
    const double g = t.gradient_at(i) * factor;
    t.expected[i] *= 1 - (t.kind.decays ? rate * decay : 0);
    t.expected_average[i] = beta1 * t.expected_average[i] + (1 - beta1) * g;
    t.expected_square[i] = beta2 * t.expected_square[i] + (1 - beta2) * g * g;
    t.expected[i] -=
        rate * t.expected_average[i] / first / (std::sqrt(t.expected_square[i] / second) + epsilon);
  }
}

class Run {
 public:
  explicit Run(double scale) : scale_(scale) {
    // One chunk and less, chunks and a rest, tails of no multiple of four, more tensors than a
    // launch takes.
    const Kind kinds[] = {
        {1, 0, false, false, true, false},    {16384, 0, false, false, true, true},
        {40003, 0, false, true, true, true},  {16386, 0, true, false, true, true},
        {5000, 1, false, false, false, true}, {0, 0, false, false, true, true},
        {32771, 3, false, true, true, false}};
    for (const Kind& kind : kinds)
      tensors_.push_back(std::make_unique<Tensor>(kind, tensors_.size(), scale));
    for (size_t i = 0; i < 130; ++i) {
      const Kind small{3 + i % 7, 0, false, i % 2 == 0, true, i % 3 == 0};
      tensors_.push_back(std::make_unique<Tensor>(small, i, scale));
    }
  }

  // `loss` that is not finite: nothing may change.
  void step(const std::string& name, float loss, double max_norm) {
    vector<cuda::AdamwSlot> slots;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      tensors_[i]->draw(++seed_, scale_);
      slots.push_back(tensors_[i]->slot());
    }
    Buffer<float> rate(1), losses(1);
    Buffer<double> outcome(2), workspace(static_cast<size_t>(cuda::adamw_workspace(slots)));
    rate[0] = 1e-3F;
    losses[0] = loss;
    cuda::adamw(slots,
                {beta1, beta2, epsilon, decay, max_norm, rate.get(), losses.get(), outcome.get(),
                 workspace.get()},
                nullptr);
    const double norm = expected_norm();
    const bool skips = !std::isfinite(loss);
    if (!skips) {
      const double factor = max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1;
      for (auto& tensor : tensors_) definition(*tensor, rate[0], factor);
    }
    compare(name + " outcome", outcome, {norm, skips ? 1.0 : 0.0}, precision<double>);
    report(name);
  }

 private:
  double expected_norm() const {
    double sum = 0;
    for (const auto& t : tensors_) {
      for (size_t i = 0; i < t->kind.count; ++i) sum += std::pow(t->gradient_at(i), 2);
    }
    return std::sqrt(sum);
  }

  void report(const std::string& step) const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const Tensor& t = *tensors_[i];
      const std::string name = step + " tensor " + std::to_string(i);
      compare(name + " value", t.value, t.expected, precision<float>);
      compare(name + " average", t.average, t.expected_average, precision<float>);
      compare(name + " square", t.square, t.expected_square, precision<float>);
      compare(name + " steps", t.steps, {t.kind.count > 0 ? t.expected_steps : 0}, 0);
      if (t.kind.shadow) {
        compare(name + " shadow", t.shadow, t.expected, precision<simt::bf16>);
      }
    }
  }

  vector<std::unique_ptr<Tensor>> tensors_;
  double scale_;
  uint64_t seed_ = 1000;
};

}  // namespace

int main() {
  Run run(1);
  run.step("first", 1, 0);
  run.step("clipped", 1, 0.5);
  run.step("skipped", std::nanf(""), 0);
  run.step("infinite", INFINITY, 0);
  run.step("unclipped", 1, 1e9);
  // Norms of about 1e-6, where what is added to them counts.
  Run tiny(1e-8);
  tiny.step("tiny", 1, 0);
  tiny.step("tiny clipped", 1, 5e-7);
}
