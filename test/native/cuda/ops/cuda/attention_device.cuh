// The functions of native/ops/cuda/attention_device.cuh for kernels that run on the host.
#pragma once

#include <cuda_bf16.h>

#include "ops/cuda/instructions.cuh"

struct float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace medcoss::cuda {

inline float2 unpack_bf16(uint32_t word) {
  const auto low = static_cast<uint16_t>(word);
  const auto high = static_cast<uint16_t>(word >> 16);
  return {__bfloat162float({low}), __bfloat162float({high})};
}

inline uint32_t pack_bf16(float low, float high) {
  return __float2bfloat16_rn(low).bits | static_cast<uint32_t>(__float2bfloat16_rn(high).bits)
                                             << 16;
}

/// Lane i receives rows 2 (i % 4) and the next of column i / 4, of each of four matrices.
inline void load_transposed_matrices(uint32_t (&out)[4], SharedAddress from) {
  struct Lane {
    SharedAddress from;
    uint32_t* out;
  } lane{from, out};
  simt::with_warp(&lane, [](void* const* brought) {
    for (int i = 0; i < 32; ++i) {
      for (int matrix = 0; matrix < 4; ++matrix) {
        uint16_t pair[2];
        for (int k = 0; k < 2; ++k) {
          const auto* named = static_cast<Lane*>(brought[matrix * 8 + i % 4 * 2 + k]);
          std::memcpy(pair + k, reinterpret_cast<const char*>(named->from) + i / 4 * 2, 2);
        }
        std::memcpy(static_cast<Lane*>(brought[i])->out + matrix, pair, 4);
      }
    }
  });
}

/// As the instruction's description lays a 16 x 16 and a 16 x 8 operand out over the lanes.
inline void multiply_add_bf16(float (&sums)[4], const uint32_t (&a)[4], uint32_t b_0,
                              uint32_t b_1) {
  struct Lane {
    float* sums;
    const uint32_t* a;
    uint32_t b[2];
  } lane{sums, a, {b_0, b_1}};
  simt::with_warp(&lane, [](void* const* brought) {
    float a[16][16];
    float b[8][16];
    for (int i = 0; i < 32; ++i) {
      const auto* from = static_cast<Lane*>(brought[i]);
      for (int word = 0; word < 4; ++word) {
        const float2 pair = unpack_bf16(from->a[word]);
        const int column = i % 4 * 2 + word / 2 * 8;
        a[i / 4 + word % 2 * 8][column] = pair.x;
        a[i / 4 + word % 2 * 8][column + 1] = pair.y;
      }
      for (int word = 0; word < 2; ++word) {
        const float2 pair = unpack_bf16(from->b[word]);
        b[i / 4][i % 4 * 2 + word * 8] = pair.x;
        b[i / 4][i % 4 * 2 + word * 8 + 1] = pair.y;
      }
    }
    for (int i = 0; i < 32; ++i) {
      for (int sum = 0; sum < 4; ++sum) {
        const float* row = a[i / 4 + sum / 2 * 8];
        const float* column = b[i % 4 * 2 + sum % 2];
        float& out = static_cast<Lane*>(brought[i])->sums[sum];
        for (int k = 0; k < 16; ++k) out += row[k] * column[k];
      }
    }
  });
}

/// Zeros come from here.
inline constexpr unsigned char zeros[chunk_bytes] = {};

inline void copy_or_clear_async(SharedAddress to, const void* from, bool copied) {
  copy_async(to, copied ? from : zeros);
}

}  // namespace medcoss::cuda
