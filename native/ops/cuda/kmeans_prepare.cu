// Samples and centres made ready for the matrix product: moments of the columns, the mean taken
// out, float16 forms with what these leave out.
//
// Invariant: sums are float64 in a fixed order.
#include "ops/cuda/instructions.cuh"
#include "ops/cuda/kmeans_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / 32;
constexpr float up = 1 + 0x1p-20F;

// A thread for each column of a block of rows.
__global__ void __launch_bounds__(threads) column_moments_kernel(ColumnMoments work) {
  const int64_t column = int64_t{blockIdx.y} * threads + threadIdx.x;
  if (column >= work.width) return;
  const int64_t begin = int64_t{blockIdx.x} * moment_rows;
  const int64_t end = begin + moment_rows < work.rows ? begin + moment_rows : work.rows;
  const double shift = work.shift_D[column];
  const double origin = work.origin_D[column];
  double sum = 0;
  double squares = 0;
  float largest = 0;
  for (int64_t row = begin; row < end; ++row) {
    const double x = work.x_ND[row * work.width + column];
    sum += x - shift;
    squares += (x - shift) * (x - shift);
    largest = fmaxf(largest, static_cast<float>(fabs(x - origin)));
  }
  const int64_t place = blockIdx.x * work.width + column;
  work.sums[place] = sum;
  work.squares[place] = squares;
  work.largest[place] = largest;
}

// Rounded up by more than the conversion can lose.
__device__ float norm_of(double squares) {
  return static_cast<float>(sqrt(squares)) * up;
}

__device__ double warp_sum(double value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffU, value, step);
  return value;
}

// Norms are not negative, so their bits are ordered as they are.
__device__ void raise(float* largest, float value) {
  atomicMax(reinterpret_cast<int*>(largest), __float_as_int(value));
}

// A warp for each vector.
__global__ void __launch_bounds__(threads) split_vectors_kernel(SplitVectors work) {
  const int64_t row = int64_t{blockIdx.x} * warps + threadIdx.x / 32;
  if (row >= work.padded_rows) return;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  float* x = work.x_ND + row * work.width;
  double whole = 0;
  double coarse = 0;
  double fine = 0;
  for (int64_t i = lane; i < work.padded_width; i += 32) {
    float value = 0;
    if (row < work.rows && i < work.width) {
      value = x[i];
      if (work.origin_D != nullptr) {
        value = static_cast<float>(value - work.origin_D[i]);
        x[i] = value;
      }
    }
    const float scaled = value * work.scale;
    const uint16_t high = to_half(scaled);
    const float left = scaled - from_half(high);
    const uint16_t low = to_half(left);
    const float lost = left - from_half(low);
    work.high_NW[row * work.padded_width + i] = high;
    work.low_NW[row * work.padded_width + i] = low;
    whole += static_cast<double>(value) * value;
    coarse += static_cast<double>(left) * left;
    fine += static_cast<double>(lost) * lost;
  }
  whole = warp_sum(whole);
  coarse = warp_sum(coarse);
  fine = warp_sum(fine);
  if (lane != 0 || row >= work.rows) return;
  const VectorNorms norms = {norm_of(whole) * work.scale, norm_of(coarse), norm_of(fine),
                             static_cast<float>(whole)};
  work.norms_N[row] = norms;
  if (work.largest == nullptr) return;
  raise(&work.largest->whole, norms.whole);
  raise(&work.largest->coarse, norms.coarse);
  raise(&work.largest->fine, norms.fine);
}

__global__ void __launch_bounds__(threads)
    centre_values_kernel(const VectorNorms* norms, int64_t centres, int64_t padded, float scale,
                         float* out) {
  const int64_t c = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (c >= padded) return;
  out[c] = c < centres ? norms[c].squared * scale * scale : CUDART_INF_F;
}

unsigned blocks_for(int64_t items, int64_t each) {
  return static_cast<unsigned>((items + each - 1) / each);
}

}  // namespace

int column_moments(const ColumnMoments& work, void* stream) {
  const dim3 grid(blocks_for(work.rows, moment_rows), blocks_for(work.width, threads));
  return launch(column_moments_kernel, grid, threads, 0, stream, work);
}

int split_vectors(const SplitVectors& work, void* stream) {
  const dim3 grid(blocks_for(work.padded_rows, warps));
  return launch(split_vectors_kernel, grid, threads, 0, stream, work);
}

int centre_values(const VectorNorms* norms, int64_t centres, int64_t padded, float scale,
                  float* out, void* stream) {
  const dim3 grid(blocks_for(padded, threads));
  return launch(centre_values_kernel, grid, threads, 0, stream, norms, centres, padded, scale, out);
}

}  // namespace medcoss::cuda
