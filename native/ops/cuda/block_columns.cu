// Operations with one value per column and sums over rows: bias with GELU, and column sums.
#include "ops/cuda/block_kernels.h"
#include "ops/cuda/columns.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/normal.cuh"
#include "ops/cuda/numbers.cuh"

namespace medcoss::cuda {
namespace {

template <typename T, int columns>
struct Gelu : Walk {
  const T* u;
  T* out;
  using Input = Pack<T, columns>;

  __device__ Input load(int64_t at) const { return load_pack<T, columns>(u + at); }

  __device__ void apply(Input input, int64_t at, int64_t, const Pack<float, columns>& bias,
                        Pack<float, columns>*) const {
    for (int i = 0; i < columns; ++i) {
      store(input.at[i], gelu<T>(to_float(input.at[i]) + bias.at[i]));
    }
    store_pack(out + at, input);
  }
};

template <typename T, int columns>
struct GeluBackward : Walk {
  const T* da;
  const T* u;
  T* du;
  T* a;
  struct Input {
    Pack<T, columns> da, u;
  };

  __device__ Input load(int64_t at) const {
    return {load_pack<T, columns>(da + at), load_pack<T, columns>(u + at)};
  }

  __device__ void apply(Input input, int64_t at, int64_t, const Pack<float, columns>& bias,
                        Pack<float, columns>* sums) const {
    for (int i = 0; i < columns; ++i) {
      const float x = to_float(input.u.at[i]) + bias.at[i];
      const Normal n = normal<T>(x);
      const float gradient = to_float(input.da.at[i]) * (n.distribution + x * n.density);
      sums->at[i] += gradient;
      store(input.da.at[i], gradient);
      store(input.u.at[i], x * n.distribution);
    }
    store_pack(du + at, input.da);
    if (a != nullptr) store_pack(a + at, input.u);
  }
};

template <typename T, int columns>
struct Sums : Walk {
  const T* x;
  using Input = Pack<T, columns>;

  __device__ Input load(int64_t at) const { return load_pack<T, columns>(x + at); }

  __device__ void apply(const Input& input, int64_t, int64_t, const Pack<float, columns>&,
                        Pack<float, columns>* sums) const {
    for (int i = 0; i < columns; ++i) sums->at[i] += to_float(input.at[i]);
  }
};

constexpr int sum_lanes = 16;

// Each lane of a warp has a column, each of 16 warps every 16th row.
__global__ void __launch_bounds__(sum_lanes* warp_size)
    add_parts(const float* parts, int64_t rows, int64_t columns, float* out) {
  __shared__ float lanes[sum_lanes][warp_size];
  const int lane = threadIdx.x / warp_size;
  const int place = threadIdx.x % warp_size;
  const int64_t column = int64_t{blockIdx.x} * warp_size + place;
  float sum = 0;
  if (column < columns) {
#pragma unroll 8
    for (int64_t row = lane; row < rows; row += sum_lanes) sum += parts[row * columns + column];
  }
  lanes[lane][place] = sum;
  __syncthreads();
  if (lane != 0 || column >= columns) return;
  for (int i = 1; i < sum_lanes; ++i) sum += lanes[i][place];
  out[column] = sum;
}

}  // namespace

void sum_parts(const float* parts, int64_t rows, int64_t columns, float* out, cudaStream_t stream) {
  launch(add_parts, grid_of(divide_up(columns, warp_size)), sum_lanes * warp_size, stream, parts,
         rows, columns, out);
}

int64_t column_workspace(int64_t rows, int64_t width) {
  return walk_workspace(rows, width);
}

template <typename T>
void bias_gelu(const BiasGelu<T>& p, cudaStream_t stream) {
  const Columns columns{p.rows, p.width, p.bias, nullptr, nullptr};
  walk<Gelu, T, wide<T>>(aligned(16, p.u, p.out), columns, stream, p.u, p.out);
}

template <typename T>
void bias_gelu_backward(const BiasGeluBackward<T>& p, cudaStream_t stream) {
  const Columns columns{p.rows, p.width, p.bias, p.workspace, p.dbias};
  walk<GeluBackward, T, wide<T>>(aligned(16, p.da, p.u, p.du, p.a), columns, stream, p.da, p.u,
                                 p.du, p.a);
}

template <typename T>
void column_sums(const ColumnSums<T>& p, cudaStream_t stream) {
  const Columns columns{p.rows, p.width, nullptr, p.workspace, p.sums};
  walk<Sums, T, wide<T>>(aligned(16, p.x), columns, stream, p.x);
}

template void bias_gelu(const BiasGelu<float>&, cudaStream_t);
template void bias_gelu(const BiasGelu<bf16>&, cudaStream_t);
template void bias_gelu_backward(const BiasGeluBackward<float>&, cudaStream_t);
template void bias_gelu_backward(const BiasGeluBackward<bf16>&, cudaStream_t);
template void column_sums(const ColumnSums<float>&, cudaStream_t);
template void column_sums(const ColumnSums<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
