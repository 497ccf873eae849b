// Counter-based random numbers: every draw is a pure function of (seed, stage, step, purpose,
// index).
//
// Philox 4x32-10 (Salmon et al., SC 2011) with key (seed low, seed high) and counter
// (index, step, stage << 16 | purpose, block). Invariant: lib/random.ts computes the same values.
#pragma once

#include <array>
#include <cstdint>

namespace medcoss {

/// What a draw is for. `lib/random.ts` holds the same numbers; a test compares the two.
enum class Purpose : uint32_t {
  initial_weights = 1,
  sample_order = 2,
  crop = 3,
  flip = 4,
  patch_mask = 5,
  word_mask = 6,
  word_replacement = 7,
  drop_path = 8,
  temporal_position = 9,
  mixup_partner = 10,
  mixup_weight = 11,
  item_order = 12,
  split = 13,
  teacher_drop_path = 14,
  teacher_temporal_position = 15,
  kmeans = 16,
};

using Words = std::array<uint32_t, 4>;

/// Four 32-bit words of Philox 4x32-10.
inline Words philox(std::array<uint32_t, 2> key, Words counter) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product_0 = uint64_t{0xd2511f53} * counter[0];
    const uint64_t product_1 = uint64_t{0xcd9e8d57} * counter[2];
    counter = {static_cast<uint32_t>(product_1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product_1),
               static_cast<uint32_t>(product_0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product_0)};
    key[0] += 0x9e3779b9;
    key[1] += 0xbb67ae85;
  }
  return counter;
}

/// The draws of one (seed, stage, step, purpose); `index` and `position` pick one of them.
class Draws {
 public:
  Draws(uint64_t seed, uint32_t stage, uint32_t step, Purpose purpose)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
        step_(step),
        tag_(stage << 16 | static_cast<uint32_t>(purpose)) {}

  /// The `block`-th four words of `index`.
  Words words(uint32_t index, uint32_t block = 0) const {
    return philox(key_, {index, step_, tag_, block});
  }
  /// The `position`-th word of `index`, counted through its blocks.
  uint32_t word(uint32_t index, uint32_t position = 0) const {
    return words(index, position >> 2)[position & 3];
  }
  /// Uniform in [0,1) with 24 bits.
  float uniform(uint32_t index, uint32_t position = 0) const {
    return static_cast<float>(word(index, position) >> 8) * 0x1p-24F;
  }
  /// Integer in [0,n), n at most 2^32.
  uint64_t below(uint64_t n, uint32_t index, uint32_t position = 0) const {
    return (word(index, position) * n) >> 32;
  }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t step_;
  uint32_t tag_;
};

}  // namespace medcoss
