// The residual sum without a norm behind it: the end of a stack.
#include "ops/cuda/block_kernels.h"
#include "ops/cuda/columns.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/rows.cuh"

namespace medcoss::cuda {
namespace {

template <typename T, int columns>
struct StreamAndBranch {
  Pack<float, columns> stream;
  Pack<T, columns> branch;
};

template <typename T, int columns>
struct Residual : Walk {
  const float* x;
  const T* branch;
  const float* scale;
  float* x_new;
  int64_t rows_per_sample;
  using Input = StreamAndBranch<T, columns>;

  __device__ Input load(int64_t at) const {
    return {load_pack<float, columns>(x + at), load_pack<T, columns>(branch + at)};
  }

  __device__ void apply(Input input, int64_t at, int64_t row, const Pack<float, columns>& gamma,
                        Pack<float, columns>*) const {
    const float factor = sample_factor(scale, row, rows_per_sample);
    for (int i = 0; i < columns; ++i) {
      input.stream.at[i] += factor * gamma.at[i] * to_float(input.branch.at[i]);
    }
    store_pack(x_new + at, input.stream);
  }
};

// Without gamma: the branch has no part in its gradient.
template <typename T, int columns>
struct ResidualBackward : Walk {
  const float* dx;
  const float* scale;
  T* dbranch;
  int64_t rows_per_sample;
  using Input = Pack<float, columns>;

  __device__ Input load(int64_t at) const { return load_pack<float, columns>(dx + at); }

  __device__ void apply(const Input& input, int64_t at, int64_t row, const Pack<float, columns>&,
                        Pack<float, columns>* dbias) const {
    const float factor = sample_factor(scale, row, rows_per_sample);
    Pack<T, columns> out;
    for (int i = 0; i < columns; ++i) {
      const float gradient = factor * input.at[i];
      dbias->at[i] += gradient;
      store(out.at[i], gradient);
    }
    store_pack(dbranch + at, out);
  }
};

template <typename T, int columns>
struct ScaledResidualBackward : Walk {
  static constexpr int sums = 2;  // dbias, dgamma
  const float* dx;
  const T* branch;
  const float* scale;
  T* dbranch;
  int64_t rows_per_sample;
  using Input = StreamAndBranch<T, columns>;

  __device__ Input load(int64_t at) const {
    return {load_pack<float, columns>(dx + at), load_pack<T, columns>(branch + at)};
  }

  __device__ void apply(Input input, int64_t at, int64_t row, const Pack<float, columns>& gamma,
                        Pack<float, columns>* to) const {
    const float factor = sample_factor(scale, row, rows_per_sample);
    for (int i = 0; i < columns; ++i) {
      const float scaled = factor * input.stream.at[i];
      const float gradient = scaled * gamma.at[i];
      to[0].at[i] += gradient;
      to[1].at[i] += scaled * to_float(input.branch.at[i]);
      store(input.branch.at[i], gradient);
    }
    store_pack(dbranch + at, input.branch);
  }
};

}  // namespace

template <typename T>
void residual_add(const ResidualAdd<T>& p, cudaStream_t stream) {
  const bool fits = aligned(16, p.x, p.x_new) && aligned(4 * sizeof(T), p.branch);
  const Columns columns{p.rows, p.width, p.gamma, nullptr, nullptr};
  walk<Residual, T, 4>(fits, columns, stream, p.x, p.branch, p.scale, p.x_new, p.rows_per_sample);
}

template <typename T>
void residual_add_backward(const ResidualAddBackward<T>& p, cudaStream_t stream) {
  const bool fits = aligned(16, p.dx) && aligned(4 * sizeof(T), p.branch, p.dbranch);
  const Columns columns{p.rows, p.width, p.gamma, p.workspace, p.sums};
  if (p.gamma == nullptr) {
    walk<ResidualBackward, T, 4>(fits, columns, stream, p.dx, p.scale, p.dbranch,
                                 p.rows_per_sample);
  } else {
    walk<ScaledResidualBackward, T, 4>(fits, columns, stream, p.dx, p.branch, p.scale, p.dbranch,
                                       p.rows_per_sample);
  }
}

template void residual_add(const ResidualAdd<float>&, cudaStream_t);
template void residual_add(const ResidualAdd<bf16>&, cudaStream_t);
template void residual_add_backward(const ResidualAddBackward<float>&, cudaStream_t);
template void residual_add_backward(const ResidualAddBackward<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
