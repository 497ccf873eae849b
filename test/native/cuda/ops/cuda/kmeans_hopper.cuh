// The functions of native/ops/cuda/kmeans_hopper.cuh for kernels that run on the host.
#pragma once

#include <map>

#include "ops/cuda/instructions.cuh"

struct float2 {
  float x, y;
};

namespace medcoss::cuda {

struct TileMap {
  const uint16_t* rows_NW;
  int64_t rows, width;
  int tile_rows;
};

inline int make_tile_map(TileMap& map, const uint16_t* rows_NW, int64_t rows, int64_t width,
                         int tile_rows) {
  map = {rows_NW, rows, width, tile_rows};
  return 0;
}

struct Barrier {
  int count, arrived;
  int64_t bytes;
  uint32_t phase;

  void settle() {
    if (arrived < count || bytes > 0) return;
    arrived = 0;
    phase ^= 1;
  }
};

inline Barrier& barrier_at(SharedAddress address) {
  static std::map<SharedAddress, Barrier> barriers;
  return barriers[address];
}

inline void make_barrier(SharedAddress barrier, int count) {
  barrier_at(barrier) = {count, 0, 0, 0};
}
inline void publish_barriers() {}
inline void expect_bytes(SharedAddress address, int bytes) {
  Barrier& barrier = barrier_at(address);
  barrier.bytes += bytes;
  ++barrier.arrived;
  barrier.settle();
}
inline void arrive(SharedAddress address) {
  Barrier& barrier = barrier_at(address);
  ++barrier.arrived;
  barrier.settle();
}
inline void wait_for_phase(SharedAddress barrier, uint32_t parity) {
  while (barrier_at(barrier).phase == parity) simt::give_way();
}

constexpr int tile_values = 64;

/// Of an address in a tile of 128-byte lines: bits 4 to 6 are exchanged with bits 7 to 9.
inline uint16_t* exchanged(SharedAddress address) {
  return reinterpret_cast<uint16_t*>(address ^ ((address >> 7 & 7) << 4));
}

inline void load_tile(SharedAddress to, const TileMap& map, int depth, int row,
                      SharedAddress address) {
  for (int r = 0; r < map.tile_rows; ++r) {
    for (int i = 0; i < tile_values; ++i) {
      const bool inside = row + r < map.rows && depth + i < map.width;
      const auto line = static_cast<SharedAddress>(r) * tile_values * 2;
      *exchanged(to + line + static_cast<SharedAddress>(i) * 2) =
          inside ? map.rows_NW[(row + r) * map.width + depth + i] : uint16_t{0};
    }
  }
  Barrier& barrier = barrier_at(address);
  barrier.bytes -= map.tile_rows * tile_values * 2;
  barrier.settle();
}

inline uint64_t tile_descriptor(SharedAddress from) {
  return from;
}

inline float tile_value(uint64_t descriptor, int row, int k) {
  const auto line = static_cast<SharedAddress>(row / 8 * 1024 + row % 8 * 128);
  return from_half(*exchanged(descriptor + line + static_cast<SharedAddress>(k) * 2));
}

inline void begin_group() {}
inline void commit_group() {}
template <int pending>
void wait_for_groups() {}
inline void hold(float (&)[128]) {}
template <int count>
void take_registers() {}
template <int count>
void give_registers() {}

struct GroupLane {
  float* sums;
  uint64_t rows, centres;
  int keep;
};

inline void multiply_group(float (&sums)[128], uint64_t rows, uint64_t centres, int keep) {
  GroupLane lane{sums, rows, centres, keep};
  simt::with_four_warps(&lane, [](void* const* brought) {
    static float a[64][16];
    static float b[256][16];
    const auto* any = static_cast<GroupLane*>(brought[0]);
    for (int k = 0; k < 16; ++k) {
      for (int row = 0; row < 64; ++row) a[row][k] = tile_value(any->rows, row, k);
      for (int row = 0; row < 256; ++row) b[row][k] = tile_value(any->centres, row, k);
    }
    for (int thread = 0; thread < 128; ++thread) {
      for (int i = 0; i < 128; ++i) {
        const float* row = a[thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8];
        const float* centre = b[i / 4 * 8 + thread % 4 * 2 + i % 2];
        float& sum = static_cast<GroupLane*>(brought[thread])->sums[i];
        if (any->keep == 0) sum = 0;
        for (int k = 0; k < 16; ++k) sum += row[k] * centre[k];
      }
    }
  });
}

}  // namespace medcoss::cuda
