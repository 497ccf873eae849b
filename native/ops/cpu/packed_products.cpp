#include "ops/cpu/packed_products.h"

#include "ops/cpu/panels.h"

#if defined(__x86_64__)
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>

#include "ops/cpu/block_sums.h"

namespace medcoss::cpu {
namespace {

// Measured on two Zen 4 cores. Rows of a tile: more leave too few tiles for even shares, fewer read
// panels more often. Values that one pass sums over: a panel's share stays in the second-level
// cache.
constexpr int64_t tile_rows = 64;
constexpr int64_t pass_sums = 1024;
// Rows of a matrix that a thread packs before it takes others.
constexpr int64_t packed_rows = 64;
// Rows whose products make one share of a weight's gradient: packed, they stay in the last-level
// cache.
constexpr int64_t share_rows = 2048;
// A micro-kernel is compiled for its shape and kept for good, but rows vary with each step: tiles
// have a multiple of these rows, and the last one's others go by themselves.
constexpr int64_t kernel_rows = 8;

template <typename T>
at::ScalarType type_of() {
  return sizeof(T) == sizeof(Bf16) ? at::kBFloat16 : at::kFloat;
}

template <typename T>
Matrix<T> matrix(const at::Tensor& x) {
  return {values<T>(x), x.size(0), x.size(1), x.stride(0)};
}

template <typename T>
Matrix<T> part(const Matrix<T>& whole, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  return {whole.at + row * whole.stride + column, std::min(rows, whole.rows - row),
          std::min(columns, whole.columns - column), whole.stride};
}

// A matrix [S,C] in panels.
template <typename T>
struct Panels {
  at::Tensor memory;
  int64_t sums, columns;

  Panels(int64_t all_sums, int64_t all_columns)
      : memory(at::empty({(all_columns + panel_columns - 1) / panel_columns,
                          padded<T>(all_sums) * panel_columns},
                         type_of<T>())),
        sums(padded<T>(all_sums)),
        columns(all_columns) {}

  int64_t count() const { return memory.size(0); }
  int64_t columns_of(int64_t panel) const {
    return std::min(panel_columns, columns - panel * panel_columns);
  }
  const T* at(int64_t panel) const { return values<T>(memory) + panel * sums * panel_columns; }
  T* at(int64_t panel) { return mutable_values<T>(memory) + panel * sums * panel_columns; }
};

// Calls `body` with the first of some rows of [S,...]; pairs stay together.
template <typename Body>
void for_rows(int64_t sums, const Body& body) {
  at::parallel_for(0, (sums + packed_rows - 1) / packed_rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) body(block * packed_rows);
  });
}

template <typename From, typename T>
Panels<T> panels_of_rows(const Matrix<From>& from_SC) {
  Panels<T> panels(from_SC.rows, from_SC.columns);
  for_rows(from_SC.rows, [&](int64_t row) {
    pack_rows(part(from_SC, row, packed_rows, 0, from_SC.columns),
              panels.at(0) + row * panel_columns, panels.sums * panel_columns);
  });
  return panels;
}

template <typename From, typename T>
Panels<T> panels_of_columns(const Matrix<From>& from_CS) {
  Panels<T> panels(from_CS.columns, from_CS.rows);
  at::parallel_for(0, panels.count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      pack_columns(part(from_CS, p * panel_columns, panel_columns, 0, from_CS.columns),
                   panels.at(p));
    }
  });
  return panels;
}

const at::BFloat16* operand(const Bf16* values) {
  return reinterpret_cast<const at::BFloat16*>(values);
}

const float* operand(const float* values) {
  return values;
}

// Where a tile's sums are kept.
struct Sums {
  float* at;
  int64_t stride;
};

// sums [rows of a, columns of the panel] += a times the panel, or = where they hold nothing yet.
template <typename T>
void multiply_rows(const Matrix<T>& a, const T* panel, int64_t columns, bool add,
                   const Sums& sums) {
  if (a.rows == 0) return;
  for (int64_t s = 0; s < a.columns; s += pass_sums) {
    at::native::cpublas::brgemm(a.rows, columns, std::min(pass_sums, a.columns - s), a.stride,
                                panel_columns, sums.stride, add || s > 0, operand(a.at + s),
                                operand(panel + s * panel_columns), sums.at, sizeof(T) < 4);
  }
}

template <typename T>
void multiply(const Matrix<T>& a, const T* panel, int64_t columns, bool add, const Sums& sums) {
  const int64_t whole = a.rows / kernel_rows * kernel_rows;
  multiply_rows(part(a, 0, whole, 0, a.columns), panel, columns, add, sums);
  multiply_rows(part(a, whole, a.rows, 0, a.columns), panel, columns, add,
                {sums.at + whole * sums.stride, sums.stride});
}

void fill(const float* bias, int64_t columns, int64_t rows, const Sums& sums) {
  for (int64_t r = 0; r < rows; ++r) std::copy_n(bias, columns, sums.at + r * sums.stride);
}

// Calls `body` with the tiles of a product: first row, rows, panel. Those of the same rows follow
// one another.
template <typename Body>
void for_tiles(int64_t rows, int64_t panels, const Body& body) {
  const int64_t blocks = (rows + tile_rows - 1) / tile_rows;
  const int64_t even = (rows + blocks - 1) / blocks;
  const int64_t each = (even + kernel_rows - 1) / kernel_rows * kernel_rows;
  at::parallel_for(0, blocks * panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t row = tile / panels * each;
      if (row < rows) body(row, std::min(each, rows - row), tile % panels);
    }
    at::native::cpublas::brgemm_release();
  });
}

void linear_tiles(const Matrix<float>& x, const Panels<float>& panels, const float* bias,
                  float* out) {
  for_tiles(x.rows, panels.count(), [&](int64_t row, int64_t rows, int64_t panel) {
    const int64_t column = panel * panel_columns;
    const int64_t columns = panels.columns_of(panel);
    const Sums sums{out + row * panels.columns + column, panels.columns};
    if (bias != nullptr) fill(bias + column, columns, rows, sums);
    multiply(part(x, row, rows, 0, x.columns), panels.at(panel), columns, bias != nullptr, sums);
  });
}

void linear_tiles(const Matrix<Bf16>& x, const Panels<Bf16>& panels, const float* bias, Bf16* out) {
  for_tiles(x.rows, panels.count(), [&](int64_t row, int64_t rows, int64_t panel) {
    alignas(64) std::array<float, tile_rows * panel_columns> tile;
    const int64_t column = panel * panel_columns;
    const int64_t columns = panels.columns_of(panel);
    multiply(part(x, row, rows, 0, x.columns), panels.at(panel), columns, false,
             {tile.data(), panel_columns});
    round_tile(tile.data(), rows, columns, bias == nullptr ? nullptr : bias + column,
               out + row * panels.columns + column, panels.columns);
  });
}

// The weight, a matrix or a transposed view of one, in panels.
template <typename From, typename T>
Panels<T> packed_weight(const at::Tensor& weight_OI) {
  const bool transposed = weight_OI.stride(1) != 1;
  return transposed ? panels_of_rows<From, T>(matrix<From>(weight_OI.t()))
                    : panels_of_columns<From, T>(matrix<From>(weight_OI));
}

// How far apart the rows of a transposed matrix lie: one of few distances, as each has its own
// micro-kernels, and none that puts many rows on the same place of a cache.
int64_t transposed_stride(int64_t sums) {
  constexpr int64_t step = 256;
  return (sums + step - 1) / step * step + 32;
}

// out [O,I] = or += dy^T x.
template <typename T>
void add_weight_gradient(const Matrix<T>& dy_SO, const Matrix<T>& x_SI, bool add, float* out) {
  const int64_t stride = transposed_stride(dy_SO.rows);
  const at::Tensor memory = at::empty({dy_SO.columns, stride}, type_of<T>());
  T* rows = mutable_values<T>(memory);
  for_rows(dy_SO.rows, [&](int64_t row) {
    pack_transposed(part(dy_SO, row, packed_rows, 0, dy_SO.columns), rows + row, stride);
  });
  const Matrix<T> dy_OS{rows, dy_SO.columns, padded<T>(dy_SO.rows), stride};
  const Panels<T> panels = panels_of_rows<T, T>(x_SI);
  for_tiles(dy_OS.rows, panels.count(), [&](int64_t row, int64_t count, int64_t panel) {
    const Sums sums{out + row * panels.columns + panel * panel_columns, panels.columns};
    multiply(part(dy_OS, row, count, 0, dy_OS.columns), panels.at(panel), panels.columns_of(panel),
             add, sums);
  });
}

}  // namespace

bool packs_products(at::ScalarType type) {
  static const bool chosen = __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512bf16");
  return chosen && (type == at::kFloat || type == at::kBFloat16);
}

at::Tensor packed_linear(const at::Tensor& x_MI, const at::Tensor& weight_OI,
                         const at::Tensor& bias_O) {
  at::Tensor out = at::empty({x_MI.size(0), weight_OI.size(0)}, x_MI.options());
  for_type(x_MI.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Panels<T> panels = packed_weight<float, T>(weight_OI);
    linear_tiles(matrix<T>(x_MI), panels, floats(bias_O), mutable_values<T>(out));
  });
  return out;
}

at::Tensor packed_weight_gradient(const at::Tensor& dy_MO, const at::Tensor& x_MI) {
  const int64_t all = dy_MO.size(0);
  at::Tensor out = at::empty({dy_MO.size(1), x_MI.size(1)}, at::kFloat);
  const int64_t shares = (all + share_rows - 1) / share_rows;
  const int64_t rows = padded<Bf16>((all + shares - 1) / shares);
  for_type(x_MI.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Matrix<T> dy = matrix<T>(dy_MO);
    const Matrix<T> x = matrix<T>(x_MI);
    for (int64_t row = 0; row < all; row += rows) {
      add_weight_gradient(part(dy, row, rows, 0, dy.columns), part(x, row, rows, 0, x.columns),
                          row > 0, mutable_floats(out));
    }
  });
  return out;
}

}  // namespace medcoss::cpu

#else

namespace medcoss::cpu {

bool packs_products(at::ScalarType) {
  return false;
}

at::Tensor packed_linear(const at::Tensor&, const at::Tensor&, const at::Tensor&) {
  TORCH_CHECK(false, "products are not packed on this processor");
}

at::Tensor packed_weight_gradient(const at::Tensor&, const at::Tensor&) {
  TORCH_CHECK(false, "products are not packed on this processor");
}

}  // namespace medcoss::cpu

#endif
