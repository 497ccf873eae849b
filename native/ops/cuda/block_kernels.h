// Row-wise operations of transformer blocks, as pointers and sizes. T is the compute type (float or
// bf16); residual stream, statistics, weights and their gradients are float32.
//
// Invariant: sums over rows run over fixed sets of rows, then over their results in order, without
// atomics; the same input gives the same bits. Shape letters: N rows, W width.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace medcoss::cuda {

/// x_new = x + scale[sample] gamma branch, y = LN(x_new).
template <typename T>
struct NormForward {
  const float* x;       // [N,W]
  const T* branch;      // [N,W]; none: x_new is x, and not written
  const float* gamma;   // [W] or none
  const float* scale;   // one per sample, or none
  const float* weight;  // [W]
  const float* bias;    // [W]
  float epsilon;
  float* x_new;  // [N,W]
  T* y;          // [N,W]
  float* mean;   // [N]
  float* rstd;   // [N]
  int64_t rows, width, rows_per_sample;
};

/// Gradients of the above.
template <typename T>
struct NormBackward {
  const T* dy;          // [N,W]
  const float* dx_new;  // [N,W] or none
  const float* x_new;   // [N,W]
  const float* mean;
  const float* rstd;
  const float* weight;
  const T* branch;     // [N,W], with gamma only
  const float* gamma;  // [W] or none
  const float* scale;
  float* dx;         // [N,W]
  T* dbranch;        // [N,W]; none: no branch was added
  float* workspace;  // norm_workspace values
  float* sums;       // [norm_sums,W]: dweight, dbias; with a branch its sums; with gamma dgamma
  int64_t rows, width, rows_per_sample;
};

/// How many sums over rows there are.
template <typename T>
int norm_sums(const NormBackward<T>& p) {
  return p.dbranch == nullptr ? 2 : p.gamma == nullptr ? 3 : 4;
}

int64_t norm_workspace(int64_t rows, int64_t width);

template <typename T>
void norm_forward(const NormForward<T>& p, cudaStream_t stream);
template <typename T>
void norm_backward(const NormBackward<T>& p, cudaStream_t stream);
/// What it does for any width and alignment, at less speed. Sums stay in the workspace
/// [blocks,norm_sums,W].
template <typename T>
void norm_backward_any(const NormBackward<T>& p, int64_t blocks, cudaStream_t stream);

/// x_new = x + scale[sample] gamma branch.
template <typename T>
struct ResidualAdd {
  const float* x;
  const T* branch;
  const float* gamma;
  const float* scale;
  float* x_new;
  int64_t rows, width, rows_per_sample;
};

/// dbranch = scale[sample] gamma dx, its sums over rows before it is rounded to T, and with gamma
/// dgamma = sum of scale branch dx over rows.
template <typename T>
struct ResidualAddBackward {
  const float* dx;
  const T* branch;  // with gamma only
  const float* gamma;
  const float* scale;
  T* dbranch;
  float* workspace;  // column_workspace values for each of the sums
  float* sums;       // [W]: those of dbranch; with gamma [2,W], with dgamma
  int64_t rows, width, rows_per_sample;
};

/// out = gelu(u + bias), exact form.
template <typename T>
struct BiasGelu {
  const T* u;         // [N,W]
  const float* bias;  // [W]
  T* out;             // [N,W]
  int64_t rows, width;
};

/// du = da gelu'(u + bias), dbias = sum of du over rows.
template <typename T>
struct BiasGeluBackward {
  const T* da;
  const T* u;
  const float* bias;
  T* du;
  T* a;              // gelu(u + bias), made again on the way; none: not wanted
  float* workspace;  // column_workspace values
  float* dbias;
  int64_t rows, width;
};

/// Sums of x [N,W] over its rows.
template <typename T>
struct ColumnSums {
  const T* x;
  float* workspace;  // column_workspace values
  float* sums;
  int64_t rows, width;
};

int64_t column_workspace(int64_t rows, int64_t width);

template <typename T>
void residual_add(const ResidualAdd<T>& p, cudaStream_t stream);
template <typename T>
void residual_add_backward(const ResidualAddBackward<T>& p, cudaStream_t stream);
template <typename T>
void bias_gelu(const BiasGelu<T>& p, cudaStream_t stream);
template <typename T>
void bias_gelu_backward(const BiasGeluBackward<T>& p, cudaStream_t stream);
template <typename T>
void column_sums(const ColumnSums<T>& p, cudaStream_t stream);

/// out [columns] = sums of `parts` [rows,columns] over the rows, in order.
void sum_parts(const float* parts, int64_t rows, int64_t columns, float* out, cudaStream_t stream);

}  // namespace medcoss::cuda
