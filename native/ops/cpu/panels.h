// Operands of matrix products in the order in which oneDNN's micro-kernels read them.
//
// A word is what one instruction adds to one sum: a float32, or two bfloat16 values that follow one
// another along the axis that is summed over. Invariant: what fills up a square of words or a panel
// is zero.
//
// Shape letters: S the axis that is summed over, C columns of the product, R its rows.
#pragma once

#include <cstdint>

#include "ops/cpu/row_kernels.h"

namespace medcoss {

/// Columns of a panel [padded S, panel_columns].
constexpr int64_t panel_columns = 64;

template <typename T>
constexpr int64_t values_per_word = static_cast<int64_t>(sizeof(float) / sizeof(T));

/// S in whole squares of 16 by 16 words.
template <typename T>
constexpr int64_t padded(int64_t sums) {
  constexpr int64_t square = 16 * values_per_word<T>;
  return (sums + square - 1) / square * square;
}

/// A matrix [rows, columns] whose rows lie `stride` values apart.
template <typename T>
struct Matrix {
  const T* at;
  int64_t rows, columns, stride;
};

#if defined(__x86_64__)
// `From` may be float32 where `T` is bfloat16. All need AVX-512 with bf16.

/// from [S,C] to panels that lie `panel_values` apart.
template <typename From, typename T>
void pack_rows(const Matrix<From>& from, T* panels, int64_t panel_values);

/// from [C,S], at most panel_columns rows, to one panel.
template <typename From, typename T>
void pack_columns(const Matrix<From>& from, T* panel);

/// from [S,R] to rows of the product: [R, padded S], rows `stride` values apart.
template <typename T>
void pack_transposed(const Matrix<T>& from, T* to, int64_t stride);

/// to [rows, columns], rows `stride` values apart, = sums [rows, panel_columns] + bias [columns]
/// (null: 0) as bfloat16.
void round_tile(const float* sums, int64_t rows, int64_t columns, const float* bias, Bf16* to,
                int64_t stride);
#endif

}  // namespace medcoss
