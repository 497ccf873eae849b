// Kernels of residual connection and layer normalisation; `rows` of each does rows begin to end.
//
// Invariant: a row's results depend on that row alone; sums over rows are taken per block of
// `sum_rows` rows. Shape letters: N rows, W width.
#pragma once

#include <cstdint>

#include "ops/cpu/row_kernels.h"

namespace medcoss {

/// Rows whose columns are summed together before blocks are added up.
constexpr int64_t sum_rows = 32;

/// A branch on its way into the residual stream. `gamma` [W]; `scale`, a factor per
/// `rows_per_sample` rows, may be null: 1; `places`, the rows of the stream that it joins, may be
/// null: its own.
template <typename T>
struct BranchRows {
  const T* branch;
  const float* gamma;
  const float* scale;
  int64_t rows_per_sample;
  const int64_t* places;

  MEDCOSS_ROWS int64_t place(int64_t row) const { return places == nullptr ? row : places[row]; }

  MEDCOSS_ROWS float factor(int64_t row) const {
    return scale == nullptr ? 1.0F : scale[row / rows_per_sample];
  }
};

/// x_new = x + scale gamma branch. Where the branch has places, x_new holds x already.
template <typename T>
struct ResidualRows {
  int64_t width;
  const float* x;
  BranchRows<T> add;
  float* x_new;
};

/// y = LN(x) with its statistics.
template <typename T>
struct NormRows {
  int64_t width;
  const float* x;
  const float *weight, *bias;
  float epsilon;
  T* y;
  float *mean, *rstd;
};

/// x[places] += y.
template <typename T>
struct AddedRows {
  int64_t width;
  const int64_t* places;
  const T* y;
  T* x;
};

/// Both in one pass.
template <typename T>
struct ResidualNormRows {
  ResidualRows<T> residual;
  NormRows<T> norm;  // its x is the residual's x_new
};

/// Column sums of a block of rows: [W] each, at block * W.
struct NormSums {
  float *dweight, *dbias;
};

/// dx = LN'(dy) + residual (null: none), and sums; `begin` and `end` are blocks.
template <typename T>
struct NormBackwardBlocks {
  int64_t width, count;
  const T* dy;
  const float* residual;
  const float *x, *mean, *rstd, *weight;
  float* dx;
  NormSums sums;
};

/// Column sums of a block of rows, as above: of the branch's gradient before it is rounded, and of
/// scale branch dx (null: not wanted).
struct BranchSums {
  float *dbias, *dgamma;
};

/// dbranch = scale gamma dx, and its sums; `begin` and `end` are blocks.
template <typename T>
struct BranchBackwardBlocks {
  int64_t width, count;
  const float* dx;
  BranchRows<T> add;
  T* dbranch;
  BranchSums sums;

  MEDCOSS_ROWS BranchSums sums_of(int64_t block) const {
    return {sums.dbias + block * width,
            sums.dgamma == nullptr ? nullptr : sums.dgamma + block * width};
  }
};

/// Both, a row at a time.
template <typename T>
struct ResidualNormBackwardBlocks {
  NormBackwardBlocks<T> norm;
  BranchBackwardBlocks<T> branch;  // its dx is the norm's
};

template <typename T>
MEDCOSS_ROWS void residual_row(const ResidualRows<T>& a, int64_t row) {
  const int64_t width = a.width;
  const int64_t place = a.add.place(row);
  const float* x = a.x + place * width;
  const T* __restrict branch = a.add.branch + row * width;
  const float* __restrict gamma = a.add.gamma;
  float* x_new = a.x_new + place * width;
  const float factor = a.add.factor(row);
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) x_new[i] = x[i] + factor * gamma[i] * load(branch + i);
}

template <typename T>
MEDCOSS_ROWS void norm_row(const NormRows<T>& a, int64_t row) {
  const int64_t width = a.width;
  const float* __restrict x = a.x + row * width;
  T* __restrict y = a.y + row * width;
  const float* __restrict weight = a.weight;
  const float* __restrict bias = a.bias;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < width; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(width);
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float variance = squares / static_cast<float>(width);
  const float rstd = 1 / __builtin_sqrtf(variance + a.epsilon);
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    store((x[i] - mean) * rstd * weight[i] + bias[i], y + i);
  }
  a.mean[row] = mean;
  a.rstd[row] = rstd;
}

template <typename T>
MEDCOSS_ROWS void norm_backward_row(const NormBackwardBlocks<T>& a, int64_t row,
                                    const NormSums& sums) {
  const int64_t width = a.width;
  const T* __restrict dy = a.dy + row * width;
  const float* __restrict x = a.x + row * width;
  const float* __restrict weight = a.weight;
  float* __restrict dx = a.dx + row * width;
  float* __restrict dweight = sums.dweight;
  float* __restrict dbias = sums.dbias;
  const float mean = a.mean[row];
  const float rstd = a.rstd[row];
  float sum = 0;
  float products = 0;
#pragma omp simd reduction(+ : sum, products)
  for (int64_t i = 0; i < width; ++i) {
    const float normed = (x[i] - mean) * rstd;
    const float gradient = load(dy + i);
    dweight[i] += gradient * normed;
    dbias[i] += gradient;
    sum += gradient * weight[i];
    products += gradient * weight[i] * normed;
  }
  sum /= static_cast<float>(width);
  products /= static_cast<float>(width);
  if (a.residual == nullptr) {
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) {
      dx[i] = rstd * (load(dy + i) * weight[i] - sum - (x[i] - mean) * rstd * products);
    }
    return;
  }
  const float* __restrict residual = a.residual + row * width;
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    const float own = rstd * (load(dy + i) * weight[i] - sum - (x[i] - mean) * rstd * products);
    dx[i] = own + residual[i];
  }
}

template <typename T>
MEDCOSS_ROWS void branch_backward_row(const BranchBackwardBlocks<T>& a, int64_t row,
                                      const BranchSums& sums) {
  const int64_t width = a.width;
  const float* __restrict dx = a.dx + a.add.place(row) * width;
  const T* __restrict branch = a.add.branch + row * width;
  const float* __restrict gamma = a.add.gamma;
  T* __restrict dbranch = a.dbranch + row * width;
  float* __restrict dbias = sums.dbias;
  const float factor = a.add.factor(row);
  if (sums.dgamma == nullptr) {
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) {
      const float gradient = factor * dx[i] * gamma[i];
      dbias[i] += gradient;
      store(gradient, dbranch + i);
    }
    return;
  }
  float* __restrict dgamma = sums.dgamma;
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    const float scaled = factor * dx[i];
    const float gradient = scaled * gamma[i];
    dgamma[i] += scaled * load(branch + i);
    dbias[i] += gradient;
    store(gradient, dbranch + i);
  }
}

template <typename T>
MEDCOSS_ROWS void rows(const ResidualRows<T>& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) residual_row(a, row);
}

template <typename T>
MEDCOSS_ROWS void rows(const AddedRows<T>& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* __restrict y = a.y + row * a.width;
    T* __restrict x = a.x + a.places[row] * a.width;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) store(load(x + i) + load(y + i), x + i);
  }
}

template <typename T>
MEDCOSS_ROWS void rows(const NormRows<T>& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) norm_row(a, row);
}

template <typename T>
MEDCOSS_ROWS void rows(const ResidualNormRows<T>& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    residual_row(a.residual, row);
    norm_row(a.norm, row);
  }
}

MEDCOSS_ROWS int64_t block_end(int64_t block, int64_t count) {
  const int64_t end = (block + 1) * sum_rows;
  return end < count ? end : count;
}

template <typename T>
MEDCOSS_ROWS void rows(const NormBackwardBlocks<T>& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    const NormSums sums{a.sums.dweight + block * a.width, a.sums.dbias + block * a.width};
    for (int64_t row = block * sum_rows; row < block_end(block, a.count); ++row) {
      norm_backward_row(a, row, sums);
    }
  }
}

template <typename T>
MEDCOSS_ROWS void rows(const BranchBackwardBlocks<T>& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    for (int64_t row = block * sum_rows; row < block_end(block, a.count); ++row) {
      branch_backward_row(a, row, a.sums_of(block));
    }
  }
}

template <typename T>
MEDCOSS_ROWS void rows(const ResidualNormBackwardBlocks<T>& a, int64_t begin, int64_t end) {
  const int64_t width = a.norm.width;
  for (int64_t block = begin; block < end; ++block) {
    const NormSums sums{a.norm.sums.dweight + block * width, a.norm.sums.dbias + block * width};
    for (int64_t row = block * sum_rows; row < block_end(block, a.norm.count); ++row) {
      norm_backward_row(a.norm, row, sums);
      branch_backward_row(a.branch, row, a.branch.sums_of(block));
    }
  }
}

}  // namespace medcoss
