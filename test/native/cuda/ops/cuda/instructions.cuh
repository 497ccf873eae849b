// The functions of native/ops/cuda/instructions.cuh for kernels that run on the host.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "ops/cuda/numbers.cuh"

#define __forceinline__ inline
#define CUDART_INF_F std::numeric_limits<float>::infinity()
#define CUDART_INF std::numeric_limits<double>::infinity()

using std::max;
using std::min;

inline int atomicAdd(int* place, int value) {
  const int before = *place;
  *place += value;
  return before;
}
inline void atomicMax(int* place, int value) {
  *place = std::max(*place, value);
}
inline int __float_as_int(float value) {
  int bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float __int_as_float(int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

namespace medcoss::cuda {

using SharedAddress = uintptr_t;

constexpr size_t chunk_bytes = 16;

/// Shared memory of a launch, not a number for any type; copies that each thread has started.
struct LaunchState {
  std::vector<unsigned char> shared;
  using Copies = std::vector<std::pair<void*, const void*>>;
  std::vector<std::deque<Copies>> copies;
};
inline LaunchState state;

inline unsigned char* dynamic_shared() {
  const auto address = reinterpret_cast<uintptr_t>(state.shared.data());
  return state.shared.data() + (chunk_bytes - address % chunk_bytes) % chunk_bytes;
}
inline SharedAddress shared_address(const void* pointer) {
  return reinterpret_cast<SharedAddress>(pointer);
}

inline uint16_t to_half(float value) {
  const auto half = static_cast<_Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &half, sizeof(bits));
  return bits;
}
inline float from_half(uint16_t bits) {
  _Float16 half;
  std::memcpy(&half, &bits, sizeof(half));
  return static_cast<float>(half);
}

/// Lane i receives columns 2 (i % 4) and the next of row i / 4, of each of four matrices.
inline void load_matrices(uint32_t (&out)[4], SharedAddress from) {
  struct Lane {
    SharedAddress from;
    uint32_t* out;
  } lane{from, out};
  simt::with_warp(&lane, [](void* const* brought) {
    for (int i = 0; i < warp_size; ++i) {
      for (int matrix = 0; matrix < 4; ++matrix) {
        const auto* named = static_cast<Lane*>(brought[matrix * 8 + i / 4]);
        std::memcpy(static_cast<Lane*>(brought[i])->out + matrix,
                    reinterpret_cast<const char*>(named->from) + i % 4 * 4, 4);
      }
    }
  });
}

struct ProductLane {
  float* sums;
  const uint32_t* rows;
  uint32_t centres[2];

  static float half_of(uint32_t word, int which) {
    return from_half(static_cast<uint16_t>(word >> (16 * which)));
  }
  /// As the instruction's description lays a 16 x 16 and a 16 x 8 operand out over the lanes.
  static float row_value(void* const* lanes, int row, int k) {
    const auto* lane = static_cast<ProductLane*>(lanes[row % 8 * 4 + k % 8 / 2]);
    return half_of(lane->rows[row / 8 + k / 8 * 2], k % 2);
  }
  static float centre_value(void* const* lanes, int centre, int k) {
    const auto* lane = static_cast<ProductLane*>(lanes[centre * 4 + k % 8 / 2]);
    return half_of(lane->centres[k / 8], k % 2);
  }
};

inline void multiply_add(float (&sums)[4], const uint32_t (&rows)[4], uint32_t centre_0,
                         uint32_t centre_1) {
  ProductLane lane{sums, rows, {centre_0, centre_1}};
  simt::with_warp(&lane, [](void* const* brought) {
    float a[16][16];
    float b[8][16];
    for (int k = 0; k < 16; ++k) {
      for (int row = 0; row < 16; ++row) a[row][k] = ProductLane::row_value(brought, row, k);
      for (int centre = 0; centre < 8; ++centre)
        b[centre][k] = ProductLane::centre_value(brought, centre, k);
    }
    for (int i = 0; i < warp_size; ++i) {
      for (int sum = 0; sum < 4; ++sum) {
        const float* row = a[i / 4 + sum / 2 * 8];
        const float* centre = b[i % 4 * 2 + sum % 2];
        float& out = static_cast<ProductLane*>(brought[i])->sums[sum];
        for (int k = 0; k < 16; ++k) out += row[k] * centre[k];
      }
    }
  });
}

inline void copy_async(SharedAddress to, const void* from) {
  auto& groups = state.copies[threadIdx.x];
  if (groups.empty()) groups.emplace_back();
  groups.back().emplace_back(reinterpret_cast<void*>(to), from);
}
inline void commit_copies() {
  state.copies[threadIdx.x].emplace_back();
}

/// What a copy brings is there once it was waited for, and not before.
template <int pending>
void wait_for_copies() {
  auto& groups = state.copies[threadIdx.x];
  while (groups.size() > static_cast<size_t>(pending) + 1) {
    for (const auto& [to, from] : groups.front()) std::memcpy(to, from, chunk_bytes);
    groups.pop_front();
  }
}

template <typename... Parameters, typename... Arguments>
int launch(void (*kernel)(Parameters...), dim3 blocks, int threads, int shared_bytes, void*,
           Arguments... arguments) {
  state.shared.assign(static_cast<size_t>(shared_bytes) + chunk_bytes, 0xff);
  state.copies.assign(static_cast<size_t>(threads), {});
  simt::run(blocks, threads, [&] { kernel(arguments...); });
  return 0;
}

}  // namespace medcoss::cuda
