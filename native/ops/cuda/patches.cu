// Images and volumes as rows of patches: mirrored, scaled and mixed on the way, each value written
// once. A block has a patch; four neighbours of a result are one access.
//
// Products and sums are rounded one by one, as they are on the CPU.
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/picture_kernels.h"

namespace medcoss::cuda {
namespace {

constexpr int edge = patch_edge;
constexpr int image_values = edge * edge * 3;
constexpr int image_threads = image_values / 4;
constexpr int volume_values = edge * edge * edge;
constexpr int volume_threads = 256;
constexpr int volume_rounds = volume_values / 4 / volume_threads;

__device__ inline float mixed(float own, float other, float weight) {
  return __fadd_rn(__fmul_rn(other, 1 - weight), __fmul_rn(own, weight));
}

__device__ inline bool mirrors(const uint8_t* flips, int64_t sample, int bit) {
  return flips != nullptr && (flips[sample] >> bit & 1) != 0;
}

// A block's place: sample, and corner of its patch in patches.
struct Place {
  int64_t sample;
  int plane, row, column;
};

__device__ inline Place place_of(int64_t depth, int64_t height, int64_t width) {
  const auto rows = static_cast<unsigned>(height / edge);
  const auto columns = static_cast<unsigned>(width / edge);
  const auto planes = static_cast<unsigned>(depth);
  const unsigned column = blockIdx.x % columns;
  const unsigned row = blockIdx.x / columns % rows;
  const unsigned plane = blockIdx.x / (columns * rows) % planes;
  return {blockIdx.x / (columns * rows * planes), static_cast<int>(plane), static_cast<int>(row),
          static_cast<int>(column)};
}

__device__ inline float intensity(uint8_t byte) {
  return static_cast<float>(byte) / 255.0F;
}
__device__ inline float intensity(float value) {
  return value;
}

// Four values of a row of the image, from a place among the 48 of that row in the patch on.
template <typename In>
__device__ inline Pack<float, 4> image_quad(const ImagePatches<In>& p, int64_t sample, int64_t y,
                                            int64_t left, int at) {
  const In* row = p.pixels + (sample * p.height + y) * p.width * p.channels;
  const bool turned = mirrors(p.flips, sample, 0);
  Pack<float, 4> result;
  if (p.channels == 3 && !turned) {
    const auto quad = load_pack<In, 4>(row + left * 3 + at);
    for (int i = 0; i < 4; ++i) result.at[i] = intensity(quad.at[i]);
    return result;
  }
  for (int i = 0; i < 4; ++i) {
    const int64_t x = left + (at + i) / 3;
    const int64_t source = turned ? p.width - 1 - x : x;
    result.at[i] = intensity(row[source * p.channels + (p.channels == 3 ? (at + i) % 3 : 0)]);
  }
  return result;
}

template <typename In>
__global__ void __launch_bounds__(image_threads)
    cut_image(const __grid_constant__ ImagePatches<In> p) {
  const Place place = place_of(1, p.height, p.width);
  const int first = 4 * static_cast<int>(threadIdx.x);
  const int64_t y = place.row * edge + first / (3 * edge);
  const int64_t left = place.column * edge;
  const int at = first % (3 * edge);
  Pack<float, 4> result = image_quad(p, place.sample, y, left, at);
  if (p.mixing.partner != nullptr) {
    const int64_t partner = p.mixing.partner[place.sample];
    const float weight = p.mixing.weight[place.sample];
    const Pack<float, 4> other = image_quad(p, partner, y, left, at);
    for (int i = 0; i < 4; ++i) result.at[i] = mixed(result.at[i], other.at[i], weight);
  }
  store_pack(p.patches + int64_t{blockIdx.x} * image_values + first, result);
}

__device__ inline float number(int16_t x) {
  return static_cast<float>(x);
}
__device__ inline float number(float x) {
  return x;
}

// Four neighbours along x, from where they are before mirroring.
template <typename In>
__device__ inline Pack<float, 4> voxels_at(const VolumePatches<In>& p, int64_t sample, int64_t z,
                                           int64_t y, int64_t x) {
  const bool turned = mirrors(p.flips, sample, 0);
  if (turned) x = p.width - 4 - x;
  if (mirrors(p.flips, sample, 1)) y = p.height - 1 - y;
  if (mirrors(p.flips, sample, 2)) z = p.depth - 1 - z;
  const auto quad =
      load_pack<In, 4>(p.voxels + ((sample * p.depth + z) * p.height + y) * p.width + x);
  Pack<float, 4> result;
  for (int i = 0; i < 4; ++i) {
    const In value = turned ? quad.at[3 - i] : quad.at[i];
    result.at[i] = __fadd_rn(__fmul_rn(number(value), p.scale), p.offset);
  }
  return result;
}

template <typename In>
__global__ void __launch_bounds__(volume_threads)
    cut_volume(const __grid_constant__ VolumePatches<In> p) {
  const Place place = place_of(p.depth / edge, p.height, p.width);
  const int64_t partner = p.mixing.partner == nullptr ? -1 : p.mixing.partner[place.sample];
  const float weight = partner < 0 ? 1 : p.mixing.weight[place.sample];
#pragma unroll
  for (int round = 0; round < volume_rounds; ++round) {
    const int first = 4 * (static_cast<int>(threadIdx.x) + round * volume_threads);
    const int64_t z = place.plane * edge + first / (edge * edge);
    const int64_t y = place.row * edge + first / edge % edge;
    const int64_t x = place.column * edge + first % edge;
    Pack<float, 4> result = voxels_at(p, place.sample, z, y, x);
    if (partner >= 0) {
      const Pack<float, 4> other = voxels_at(p, partner, z, y, x);
      for (int i = 0; i < 4; ++i) result.at[i] = mixed(result.at[i], other.at[i], weight);
    }
    store_pack(p.patches + int64_t{blockIdx.x} * volume_values + first, result);
  }
}

}  // namespace

template <typename In>
void image_patches(const ImagePatches<In>& p, cudaStream_t stream) {
  const int64_t patches = p.images * (p.height / edge) * (p.width / edge);
  launch(cut_image<In>, grid_of(patches), image_threads, stream, p);
}

template <typename In>
void volume_patches(const VolumePatches<In>& p, cudaStream_t stream) {
  const int64_t patches = p.volumes * (p.depth / edge) * (p.height / edge) * (p.width / edge);
  launch(cut_volume<In>, grid_of(patches), volume_threads, stream, p);
}

template void image_patches(const ImagePatches<uint8_t>&, cudaStream_t);
template void image_patches(const ImagePatches<float>&, cudaStream_t);
template void volume_patches(const VolumePatches<int16_t>&, cudaStream_t);
template void volume_patches(const VolumePatches<float>&, cudaStream_t);

}  // namespace medcoss::cuda
