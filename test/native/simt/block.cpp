// Row-wise operations of transformer blocks on the host against their definitions in float64.
#include "ops/cuda/block_kernels.h"

#include "checks.h"

using namespace medcoss;
using simt::Buffer;
using simt::compare;
using simt::fill;
using simt::precision;
using simt::real;
using std::vector;

namespace {

struct Shape {
  size_t rows, width, samples, shift;
};

// Widths for each size of rows in registers, one that is no multiple of four, one beyond 1,024; odd
// counts of rows, more rows than blocks have warps; pointers off their alignment.
const Shape shapes[] = {{1, 4, 1, 0},      {7, 128, 7, 0},    {10, 192, 5, 0}, {33, 384, 3, 0},
                        {9, 512, 3, 0},    {21, 768, 7, 0},   {6, 1024, 2, 0}, {4, 1028, 2, 0},
                        {8, 77, 4, 0},     {12, 128, 4, 1},   {15, 640, 5, 0}, {5, 900, 1, 0},
                        {1063, 768, 1, 0}, {1690, 36, 10, 1}, {12681, 4, 3, 0}};

struct Options {
  bool gamma, scale, dx_new;
};

const Options all_options[] = {{false, false, false}, {true, true, true},   {true, false, false},
                               {false, true, false},  {false, false, true}, {true, true, false},
                               {true, false, true},   {false, true, true}};

template <typename T>
struct Case {
  Shape s;
  Options with;
  Buffer<float> x, dx_new, gamma, scale, weight, bias;
  Buffer<T> branch, dy;

  Case(const Shape& shape, const Options& options)
      : s(shape),
        with(options),
        x(s.rows * s.width, s.shift),
        dx_new(s.rows * s.width, s.shift),
        gamma(s.width, s.shift),
        scale(s.samples),
        weight(s.width),
        bias(s.width),
        branch(s.rows * s.width, s.shift),
        dy(s.rows * s.width) {
    fill(x, 1, -1, 3);
    fill(dx_new, 2);
    fill(gamma, 3);
    fill(scale, 4, 0, 1.2);
    scale[0] = s.samples > 1 ? 0 : 1.1F;
    fill(weight, 5, 0.5, 1.5);
    fill(bias, 6);
    fill(branch, 7);
    fill(dy, 8);
  }

  double factor(size_t row) const { return with.scale ? scale[row / (s.rows / s.samples)] : 1; }
  double gamma_at(size_t column) const { return with.gamma ? gamma[column] : 1; }
  const float* gamma_or_none() const { return with.gamma ? gamma.get() : nullptr; }
  const float* scale_or_none() const { return with.scale ? scale.get() : nullptr; }
  const float* dx_new_or_none() const { return with.dx_new ? dx_new.get() : nullptr; }
  // Without gamma nobody reads it.
  const T* branch_or_none() const { return with.gamma ? branch.get() : nullptr; }
  int64_t rows() const { return static_cast<int64_t>(s.rows); }
  int64_t width() const { return static_cast<int64_t>(s.width); }
  int64_t rows_per_sample() const { return static_cast<int64_t>(s.rows / s.samples); }
  std::string name(const char* what) const {
    return std::string(what) + " " + simt::type_name<T>() + " " + std::to_string(s.rows) + "x" +
           std::to_string(s.width) + (with.gamma ? " gamma" : "") + (with.scale ? " scale" : "") +
           (with.dx_new ? " dx" : "") + (s.shift ? " shifted" : "");
  }
};

struct Normed {
  vector<double> x_new, y, mean, rstd;
};

template <typename T>
Normed definition(const Case<T>& c, bool with_branch) {
  Normed r;
  const size_t width = c.s.width;
  for (size_t row = 0; row < c.s.rows; ++row) {
    double mean = 0;
    double variance = 0;
    for (size_t i = 0; i < width; ++i) {
      const size_t at = row * width + i;
      r.x_new.push_back(c.x[at] +
                        (with_branch ? c.factor(row) * c.gamma_at(i) * real(c.branch[at]) : 0));
      mean += r.x_new[at] / static_cast<double>(width);
    }
    for (size_t i = 0; i < width; ++i) {
      variance += std::pow(r.x_new[row * width + i] - mean, 2) / static_cast<double>(width);
    }
    r.mean.push_back(mean);
    r.rstd.push_back(1 / std::sqrt(variance + 1e-5));
    for (size_t i = 0; i < width; ++i) {
      r.y.push_back((r.x_new[row * width + i] - mean) * r.rstd[row] * c.weight[i] + c.bias[i]);
    }
  }
  return r;
}

template <typename T>
void check_forward(const Case<T>& c, bool with_branch) {
  Buffer<float> x_new(c.x.size(), c.s.shift), mean(c.s.rows), rstd(c.s.rows);
  Buffer<T> y(c.x.size());
  cuda::norm_forward<T>({c.x.get(), with_branch ? c.branch.get() : nullptr, c.gamma_or_none(),
                         c.scale_or_none(), c.weight.get(), c.bias.get(), 1e-5F, x_new.get(),
                         y.get(), mean.get(), rstd.get(), c.rows(), c.width(), c.rows_per_sample()},
                        nullptr);
  const Normed expected = definition(c, with_branch);
  if (with_branch) compare(c.name("x_new"), x_new, expected.x_new, precision<float>);
  compare(c.name("y"), y, expected.y, precision<T>);
  compare(c.name("mean"), mean, expected.mean, precision<float>);
  compare(c.name("rstd"), rstd, expected.rstd, precision<float>);
}

struct Gradients {
  vector<double> dx, dbranch, sums;
};

// dweight, dbias; the branch's; dgamma.
template <typename T>
size_t sums_of(const Case<T>& c, bool with_branch) {
  return !with_branch ? 2 : c.with.gamma ? 4 : 3;
}

template <typename T>
Gradients definition_backward(const Case<T>& c, const Normed& n, bool with_branch) {
  const size_t width = c.s.width;
  Gradients r;
  r.sums.resize(sums_of(c, with_branch) * width);
  for (size_t row = 0; row < c.s.rows; ++row) {
    double g = 0;
    double g_xhat = 0;
    const auto xhat = [&](size_t i) {
      return (n.x_new[row * width + i] - n.mean[row]) * n.rstd[row];
    };
    const auto gradient = [&](size_t i) { return real(c.dy[row * width + i]) * c.weight[i]; };
    for (size_t i = 0; i < width; ++i) {
      g += gradient(i) / static_cast<double>(width);
      g_xhat += gradient(i) * xhat(i) / static_cast<double>(width);
    }
    for (size_t i = 0; i < width; ++i) {
      const size_t at = row * width + i;
      const double dx =
          n.rstd[row] * (gradient(i) - g - xhat(i) * g_xhat) + (c.with.dx_new ? c.dx_new[at] : 0);
      r.dx.push_back(dx);
      r.sums[i] += real(c.dy[at]) * xhat(i);
      r.sums[width + i] += real(c.dy[at]);
      if (!with_branch) continue;
      r.dbranch.push_back(c.factor(row) * c.gamma_at(i) * dx);
      r.sums[2 * width + i] += r.dbranch[at];
      if (c.with.gamma) r.sums[3 * width + i] += c.factor(row) * real(c.branch[at]) * dx;
    }
  }
  return r;
}

template <typename T>
void check_backward(const Case<T>& c, bool with_branch) {
  const Normed n = definition(c, with_branch);
  Buffer<float> x_new(c.x.size(), c.s.shift), mean(c.s.rows), rstd(c.s.rows);
  for (size_t i = 0; i < c.x.size(); ++i) x_new[i] = static_cast<float>(n.x_new[i]);
  for (size_t i = 0; i < c.s.rows; ++i) {
    mean[i] = static_cast<float>(n.mean[i]);
    rstd[i] = static_cast<float>(n.rstd[i]);
  }
  Buffer<float> dx(c.x.size(), c.s.shift), sums(sums_of(c, with_branch) * c.s.width);
  Buffer<float> workspace(static_cast<size_t>(cuda::norm_workspace(c.rows(), c.width())));
  Buffer<T> dbranch(c.x.size());
  cuda::norm_backward<T>({c.dy.get(), c.dx_new_or_none(), x_new.get(), mean.get(), rstd.get(),
                          c.weight.get(), c.branch_or_none(), c.gamma_or_none(), c.scale_or_none(),
                          dx.get(), with_branch ? dbranch.get() : nullptr, workspace.get(),
                          sums.get(), c.rows(), c.width(), c.rows_per_sample()},
                         nullptr);
  const Gradients expected = definition_backward(c, n, with_branch);
  compare(c.name("dx"), dx, expected.dx, precision<float>);
  compare(c.name("sums over rows"), sums, expected.sums, precision<float>);
  if (with_branch) compare(c.name("dbranch"), dbranch, expected.dbranch, precision<T>);
}

template <typename T>
void check_residual(const Case<T>& c) {
  const size_t count = c.with.gamma ? 2 : 1;
  Buffer<float> x_new(c.x.size()), sums(count * c.s.width);
  Buffer<float> workspace(count * static_cast<size_t>(cuda::column_workspace(c.rows(), c.width())));
  Buffer<T> dbranch(c.x.size());
  cuda::residual_add<T>({c.x.get(), c.branch.get(), c.gamma_or_none(), c.scale_or_none(),
                         x_new.get(), c.rows(), c.width(), c.rows_per_sample()},
                        nullptr);
  compare(c.name("residual"), x_new, definition(c, true).x_new, precision<float>);
  cuda::residual_add_backward<T>(
      {c.dx_new.get(), c.branch_or_none(), c.gamma_or_none(), c.scale_or_none(), dbranch.get(),
       workspace.get(), sums.get(), c.rows(), c.width(), c.rows_per_sample()},
      nullptr);
  vector<double> branch, expected(count * c.s.width);
  for (size_t i = 0; i < c.x.size(); ++i) {
    const size_t column = i % c.s.width;
    const double scaled = c.factor(i / c.s.width) * c.dx_new[i];
    branch.push_back(scaled * c.gamma_at(column));
    expected[column] += branch[i];
    if (c.with.gamma) expected[c.s.width + column] += scaled * real(c.branch[i]);
  }
  compare(c.name("residual dbranch"), dbranch, branch, precision<T>);
  compare(c.name("residual dbias, dgamma"), sums, expected, precision<float>);
}

template <typename T>
void check_columns(const Case<T>& c) {
  const size_t width = c.s.width;
  Buffer<T> u(c.x.size(), c.s.shift), out(c.x.size()), du(c.x.size()), a(c.x.size());
  fill(u, 9, -6, 6);
  Buffer<float> dbias(width), sums(width);
  Buffer<float> workspace(static_cast<size_t>(cuda::column_workspace(c.rows(), c.width())));
  cuda::bias_gelu<T>({u.get(), c.bias.get(), out.get(), c.rows(), c.width()}, nullptr);
  cuda::bias_gelu_backward<T>({c.dy.get(), u.get(), c.bias.get(), du.get(), a.get(),
                               workspace.get(), dbias.get(), c.rows(), c.width()},
                              nullptr);
  Buffer<T> du_alone(c.x.size());
  cuda::bias_gelu_backward<T>({c.dy.get(), u.get(), c.bias.get(), du_alone.get(), nullptr,
                               workspace.get(), dbias.get(), c.rows(), c.width()},
                              nullptr);
  cuda::column_sums<T>({u.get(), workspace.get(), sums.get(), c.rows(), c.width()}, nullptr);
  vector<double> gelu, gradient, bias_sums(width), column_sums(width);
  for (size_t i = 0; i < u.size(); ++i) {
    const double x = real(u[i]) + c.bias[i % width];
    const double cdf = 0.5 * std::erfc(-x / std::sqrt(2.0));
    gelu.push_back(x * cdf);
    gradient.push_back(real(c.dy[i]) * (cdf + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI)));
    bias_sums[i % width] += gradient[i];
    column_sums[i % width] += real(u[i]);
  }
  compare(c.name("gelu"), out, gelu, precision<T>);
  compare(c.name("gelu again"), a, gelu, precision<T>);
  compare(c.name("gelu du"), du, gradient, precision<T>);
  compare(c.name("gelu du with the activation kept"), du_alone, gradient, precision<T>);
  compare(c.name("gelu dbias"), dbias, bias_sums, precision<float>);
  compare(c.name("column sums"), sums, column_sums, precision<float>);
}

template <typename T>
void check_all() {
  for (const Shape& shape : shapes) {
    for (const Options& options : all_options) {
      const Case<T> c(shape, options);
      for (const bool with_branch : {false, true}) {
        check_forward(c, with_branch);
        check_backward(c, with_branch);
      }
      check_residual(c);
      if (&options == all_options) check_columns(c);
    }
  }
}

}  // namespace

int main() {
  check_all<float>();
  check_all<simt::bf16>();
}
