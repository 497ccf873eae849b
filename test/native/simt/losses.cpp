// Losses with their gradients on the host against their definitions in float64.
#include "checks.h"
#include "ops/cuda/loss_kernels.h"

using namespace medcoss;
using simt::Buffer;
using simt::compare;
using simt::fill;
using simt::precision;
using simt::real;
using std::vector;

namespace {

void check_distance(size_t rows, size_t width, bool masked, size_t shift) {
  Buffer<float> student(rows * width, shift), teacher(rows * width), gradient(rows * width);
  Buffer<float> loss(1), upstream(1);
  Buffer<bool> counts(rows);
  Buffer<double> elements(1);
  Buffer<double> workspace(
      static_cast<size_t>(cuda::feature_distance_workspace(static_cast<int64_t>(rows))));
  fill(student, 1);
  fill(teacher, 2);
  upstream[0] = 0.7F;
  for (size_t i = 0; i < rows; ++i) counts[i] = i % 3 != 1;
  const bool* mask = masked ? counts.get() : nullptr;
  const auto n = static_cast<int64_t>(rows);
  const auto w = static_cast<int64_t>(width);
  cuda::feature_distance(
      {student.get(), teacher.get(), mask, n, w, workspace.get(), elements.get(), loss.get()},
      nullptr);
  cuda::feature_distance_backward(
      {upstream.get(), student.get(), teacher.get(), mask, elements.get(), gradient.get(), n, w},
      nullptr);
  double sum = 0;
  double count = 0;
  vector<double> expected;
  for (size_t i = 0; i < rows * width; ++i) {
    const bool used = !masked || counts[i / width];
    const double difference = used ? double{student[i]} - teacher[i] : 0;
    sum += difference * difference;
    count += used;
    expected.push_back(2 * upstream[0] * difference);
  }
  for (double& value : expected) value /= count;
  const std::string name = "distance " + std::to_string(rows) + "x" + std::to_string(width) +
                           (masked ? " masked" : "") + (shift ? " shifted" : "");
  compare(name, loss, {sum / count}, 1e-7);
  compare(name + " elements", elements, {count}, 0);
  compare(name + " gradient", gradient, expected, precision<float>);
}

struct Sizes {
  size_t samples, removed, all, values, shift;
};

template <typename T>
void check_patches(const Sizes& s) {
  const size_t rows = s.samples * s.removed;
  Buffer<T> predicted(rows * s.values, s.shift), gradient(rows * s.values);
  Buffer<float> patches(s.samples * s.all * s.values), loss(1);
  Buffer<int64_t> removed(rows);
  Buffer<double> workspace(rows);
  fill(predicted, 3);
  fill(patches, 4, 0, 5);
  for (size_t i = 0; i < rows; ++i) {
    removed[i] = static_cast<int64_t>((i * 7 + i / s.removed) % s.all);
  }
  const auto size = [](size_t n) { return static_cast<int64_t>(n); };
  cuda::patch_loss<T>(
      {predicted.get(), patches.get(), removed.get(), size(s.samples), size(s.removed), size(s.all),
       size(s.values), workspace.get(), gradient.get(), loss.get()},
      nullptr);
  const double n = static_cast<double>(s.values);
  double sum = 0;
  vector<double> expected;
  for (size_t row = 0; row < rows; ++row) {
    const float* target =
        patches.get() + (row / s.removed * s.all + static_cast<size_t>(removed[row])) * s.values;
    double mean = 0;
    double variance = 0;
    for (size_t i = 0; i < s.values; ++i) mean += target[i] / n;
    for (size_t i = 0; i < s.values; ++i) variance += std::pow(target[i] - mean, 2) / (n - 1);
    for (size_t i = 0; i < s.values; ++i) {
      const double normal = (target[i] - mean) / std::sqrt(variance + 1e-6);
      const double difference = real(predicted[row * s.values + i]) - normal;
      sum += difference * difference;
      expected.push_back(2 * difference / (static_cast<double>(rows) * n));
    }
  }
  const std::string name = std::string("patches ") + simt::type_name<T>() + " " +
                           std::to_string(rows) + "x" + std::to_string(s.values) +
                           (s.shift ? " shifted" : "");
  compare(name, loss, {sum / static_cast<double>(rows) / n}, 1e-6);
  compare(name + " gradient", gradient, expected, precision<T>);
}

// Classes that fill accesses and such that do not; the second row does not count.
template <typename T>
void check_words(size_t rows, size_t classes, size_t stride) {
  Buffer<T> scores(rows * stride);
  Buffer<float> bias(classes), loss(1);
  Buffer<int64_t> id(rows);
  Buffer<double> workspace(rows), counted(1);
  fill(scores, 6, -8, 8);
  fill(bias, 7, -2, 2);
  const size_t count = rows > 1 ? rows - 1 : 1;
  double sum = 0;
  vector<double> expected(rows * stride);
  for (size_t row = 0; row < rows; ++row) {
    const size_t word = (row * 7919 + classes - 1) % classes;
    id[row] = row == 1 ? -100 : static_cast<int64_t>(word);
    const auto score = [&](size_t i) { return real(scores[row * stride + i]) + bias[i]; };
    double total = 0;
    for (size_t i = 0; i < classes; ++i) total += std::exp(score(i));
    if (row == 1) continue;
    sum += std::log(total) - score(word);
    for (size_t i = 0; i < classes; ++i) {
      const double wanted = i == word ? 1 : 0;
      expected[row * stride + i] =
          (std::exp(score(i)) / total - wanted) / static_cast<double>(count);
    }
  }
  const auto size = [](size_t n) { return static_cast<int64_t>(n); };
  cuda::word_loss<T>({scores.get(), bias.get(), id.get(), size(rows), size(classes), size(stride),
                      workspace.get(), counted.get(), loss.get()},
                     nullptr);
  const std::string name = std::string("words ") + simt::type_name<T>() + " " +
                           std::to_string(rows) + "x" + std::to_string(classes);
  compare(name, loss, {sum / static_cast<double>(count)}, 1e-6);
  compare(name + " gradient", scores, expected, precision<T>);
}

template <typename T>
void check_scaled(size_t count, size_t shift, float factor) {
  Buffer<T> gradient(count, shift);
  Buffer<float> upstream(1);
  upstream[0] = factor;
  fill(gradient, 5);
  vector<double> expected;
  for (size_t i = 0; i < count; ++i) expected.push_back(factor * real(gradient[i]));
  cuda::scale_gradient<T>({upstream.get(), gradient.get(), static_cast<int64_t>(count)}, nullptr);
  compare(std::string("scaled ") + simt::type_name<T>() + " " + std::to_string(count) + " by " +
              std::to_string(factor),
          gradient, expected, precision<T>);
}

}  // namespace

int main() {
  check_words<float>(3, 4100, 4160);
  check_words<simt::bf16>(3, 4100, 4160);
  check_words<float>(4, 30, 64);
  check_words<simt::bf16>(4, 30, 64);
  check_words<simt::bf16>(1, 8, 8);
  for (const float factor : {1.0F, 0.3F}) {
    for (const size_t count : {size_t{1}, size_t{77}, size_t{2048}}) {
      for (const size_t shift : {size_t{0}, size_t{1}}) {
        check_scaled<float>(count, shift, factor);
        check_scaled<simt::bf16>(count, shift, factor);
      }
    }
  }
  for (const bool masked : {false, true}) {
    check_distance(1, 1, false, 0);
    check_distance(37, 768, masked, 0);
    check_distance(50, 192, masked, 0);
    check_distance(21, 77, masked, 0);
    check_distance(16, 128, masked, 1);
  }
  for (const Sizes& s : {Sizes{2, 3, 4, 768, 0},
                         {1, 2, 3, 4096, 0},
                         {3, 1, 5, 27, 0},
                         {2, 2, 4, 4100, 0},
                         {1, 3, 4, 768, 1}}) {
    check_patches<float>(s);
    check_patches<simt::bf16>(s);
  }
}
