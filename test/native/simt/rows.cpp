// Operations on rows that an index names, on the host against their definitions in float64.
#include "ops/cuda/row_kernels.h"

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
  size_t rows, width, shift;
};

// Wider and narrower than a warp's accesses, no multiple of them, off their alignment.
const Shape shapes[] = {{9, 512, 0}, {17, 1536, 0}, {40, 24, 0}, {5, 37, 0}, {12, 64, 1}};

template <typename T>
std::string name(const char* what, const Shape& s) {
  return std::string(what) + " " + simt::type_name<T>() + " " + std::to_string(s.rows) + "x" +
         std::to_string(s.width) + (s.shift ? " shifted" : "");
}

template <typename T>
void check_added(const Shape& s) {
  const size_t all = 2 * s.rows + 1;
  Buffer<T> x(all * s.width, s.shift), y(s.rows * s.width, s.shift);
  Buffer<int64_t> row(s.rows);
  fill(x, 1);
  fill(y, 2);
  vector<double> expected;
  for (size_t i = 0; i < x.size(); ++i) expected.push_back(real(x[i]));
  for (size_t i = 0; i < s.rows; ++i) {
    const size_t to = all - 1 - 2 * i;
    row[i] = static_cast<int64_t>(to);
    for (size_t k = 0; k < s.width; ++k) expected[to * s.width + k] += real(y[i * s.width + k]);
  }
  cuda::add_rows<T>(
      {y.get(), row.get(), x.get(), static_cast<int64_t>(s.rows), static_cast<int64_t>(s.width)},
      nullptr);
  compare(name<T>("added rows", s), x, expected, precision<T>);
}

// Some of `count` copies are not there; of the first row none is.
template <typename T>
void check_copies(const Shape& s, size_t count) {
  Buffer<T> from(s.rows * s.width, s.shift);
  Buffer<int64_t> index(s.rows * count);
  Buffer<float> sums(s.rows * s.width);
  fill(from, 3);
  vector<double> expected(s.rows * s.width);
  for (size_t i = 0; i < index.size(); ++i) {
    const bool there = i >= count && i % 5 != 2;
    const size_t row = i * 7 % s.rows;
    index[i] = there ? static_cast<int64_t>(row) : -1;
    if (!there) continue;
    for (size_t k = 0; k < s.width; ++k)
      expected[i / count * s.width + k] += real(from[row * s.width + k]);
  }
  cuda::sum_copies<T>({from.get(), index.get(), sums.get(), static_cast<int64_t>(s.rows),
                       static_cast<int64_t>(count), static_cast<int64_t>(s.width)},
                      nullptr);
  compare(name<T>("sums of copies", s), sums, expected, precision<float>);
}

template <typename T>
void check_all() {
  for (const Shape& shape : shapes) {
    check_added<T>(shape);
    for (const size_t count : {1, 33, 130}) check_copies<T>(shape, count);
  }
}

}  // namespace

int main() {
  check_all<float>();
  check_all<simt::bf16>();
}
