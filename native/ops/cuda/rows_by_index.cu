// Rows that an index names: added to, and summed up.
#include "ops/cuda/columns.cuh"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/row_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int warps = 8;

// A warp has a row.
template <typename T, int columns>
__global__ void __launch_bounds__(warps* warp_size)
    add_to_rows(const __grid_constant__ AddRows<T> p) {
  const int64_t i = int64_t{blockIdx.x} * warps + threadIdx.x / warp_size;
  if (i >= p.rows) return;
  const T* from = p.y + i * p.width;
  T* to = p.x + p.row[i] * p.width;
  const int first = columns * static_cast<int>(threadIdx.x % warp_size);
  for (int64_t column = first; column < p.width; column += columns * warp_size) {
    auto sum = load_pack<T, columns>(to + column);
    const auto more = load_pack<T, columns>(from + column);
    for (int k = 0; k < columns; ++k) store(sum.at[k], to_float(sum.at[k]) + to_float(more.at[k]));
    store_pack(to + column, sum);
  }
}

// A block has a row of sums and a tile of its columns; its row lanes share the rows that are added.
template <typename T, int columns>
__global__ void __launch_bounds__(column_threads)
    add_copies(const __grid_constant__ SumCopies<T> p) {
  const int64_t column =
      (int64_t{blockIdx.x} * column_lanes + threadIdx.x % column_lanes) * columns;
  const int64_t* index = p.index + blockIdx.y * p.count;
  Pack<float, columns> sums{};
  if (column < p.width) {
    for (int64_t j = threadIdx.x / column_lanes; j < p.count; j += rows_in_flight * row_lanes) {
      Pack<T, columns> values[rows_in_flight];
      bool there[rows_in_flight];
#pragma unroll
      for (int i = 0; i < rows_in_flight; ++i) {
        const int64_t here = j + i * row_lanes;
        const int64_t row = here < p.count ? index[here] : -1;
        there[i] = row >= 0;
        if (there[i]) values[i] = load_pack<T, columns>(p.from + row * p.width + column);
      }
#pragma unroll
      for (int i = 0; i < rows_in_flight; ++i) {
        if (!there[i]) continue;
        for (int k = 0; k < columns; ++k) sums.at[k] += to_float(values[i].at[k]);
      }
    }
  }
  reduce_rows(sums, p.width, p.sums + blockIdx.y * p.width);
}

}  // namespace

template <typename T>
void add_rows(const AddRows<T>& p, cudaStream_t stream) {
  const bool fits = p.width % wide<T> == 0 && aligned(16, p.x, p.y);
  launch(fits ? add_to_rows<T, wide<T>> : add_to_rows<T, 1>, grid_of(divide_up(p.rows, warps)),
         warps * warp_size, stream, p);
}

template <typename T>
void sum_copies(const SumCopies<T>& p, cudaStream_t stream) {
  const bool fits = p.width % wide<T> == 0 && aligned(16, p.from);
  const int64_t tile = column_lanes * (fits ? wide<T> : 1);
  launch(fits ? add_copies<T, wide<T>> : add_copies<T, 1>,
         grid_of(divide_up(p.width, tile), p.rows), column_threads, stream, p);
}

template void add_rows(const AddRows<float>&, cudaStream_t);
template void add_rows(const AddRows<bf16>&, cudaStream_t);
template void sum_copies(const SumCopies<float>&, cudaStream_t);
template void sum_copies(const SumCopies<bf16>&, cudaStream_t);

}  // namespace medcoss::cuda
