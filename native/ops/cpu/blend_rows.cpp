#include "ops/cpu/blend_rows.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>

namespace medcoss {

namespace {

constexpr int64_t lanes = 8;
constexpr int64_t vectors = 4;
constexpr int64_t block = lanes * vectors;
constexpr int32_t half = 1 << (blend_bits - 1);

inline void store(uint8_t* out, int32_t value) {
  *out = static_cast<uint8_t>(value);
}

inline void store(float* out, int32_t value) {
  *out = static_cast<float>(value) / 255.0F;
}

template <typename Out>
void blend_plain(const BlendInput& in, int64_t length, Out* out) {
  for (int64_t i = 0; i < length; i++) {
    int32_t sum = half;
    for (int64_t k = 0; k < in.count; k++) sum += in.rows[k * in.pitch + i] * in.weights[k];
    store(out + i, std::clamp(sum >> blend_bits, 0, 255));
  }
}

#ifdef __x86_64__
#define MEDCOSS_AVX2 __attribute__((target("avx2")))

// Packing clamps.
MEDCOSS_AVX2 inline void store(uint8_t* out, const __m256i (&sums)[vectors]) {
  const __m256i low = _mm256_packs_epi32(sums[0], sums[1]);
  const __m256i high = _mm256_packs_epi32(sums[2], sums[3]);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
}

MEDCOSS_AVX2 inline void store(float* out, const __m256i (&sums)[vectors]) {
  for (int64_t v = 0; v < vectors; v++) {
    const __m256i above = _mm256_max_epi32(sums[v], _mm256_setzero_si256());
    const __m256i value = _mm256_min_epi32(above, _mm256_set1_epi32(255));
    _mm256_storeu_ps(out + v * lanes, _mm256_cvtepi32_ps(value) / 255.0F);
  }
}

// Sums stay in registers while all rows of a block are added.
template <typename Out>
MEDCOSS_AVX2 inline void blend_block(const BlendInput& in, int64_t at, Out* out) {
  __m256i sums[vectors];
  for (auto& sum : sums) sum = _mm256_set1_epi32(half);
  const uint8_t* row = in.rows + at;
  for (int64_t k = 0; k < in.count; k++, row += in.pitch) {
    const __m256i weight = _mm256_set1_epi32(in.weights[k]);
    for (int64_t v = 0; v < vectors; v++) {
      const auto* bytes = reinterpret_cast<const __m128i*>(row + v * lanes);
      const __m256i values = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes));
      sums[v] = _mm256_add_epi32(sums[v], _mm256_mullo_epi32(values, weight));
    }
  }
  for (auto& sum : sums) sum = _mm256_srai_epi32(sum, blend_bits);
  store(out + at, sums);
}

// The last block overlaps the one before it, so that none is partial.
template <typename Out>
MEDCOSS_AVX2 void blend_blocks(const BlendInput& in, int64_t length, Out* out) {
  for (int64_t at = 0; at < length; at += block) {
    blend_block(in, std::min(at, length - block), out);
  }
}

template <typename Out>
void blend(const BlendInput& in, int64_t length, Out* out) {
  static const bool wide = __builtin_cpu_supports("avx2") != 0;
  wide&& length >= block ? blend_blocks(in, length, out) : blend_plain(in, length, out);
}
#else
template <typename Out>
void blend(const BlendInput& in, int64_t length, Out* out) {
  blend_plain(in, length, out);
}
#endif

// Bytes of the masked places change places with those `shift` bits higher in the other word.
inline void exchange(uint64_t& low, uint64_t& high, int shift, uint64_t mask) {
  const uint64_t changed = ((low >> shift) ^ high) & mask;
  high ^= changed;
  low ^= changed << shift;
}

// An 8x8 block, by exchanges of its halves, quarters and eighths (Warren, Hacker's Delight, 7-3).
inline void transpose_block(const uint8_t* in, int64_t pitch, uint8_t* out, int64_t out_pitch) {
  uint64_t rows[8];
  for (int64_t i = 0; i < 8; i++) std::memcpy(&rows[i], in + i * pitch, 8);
  for (int i = 0; i < 4; i++) exchange(rows[i], rows[i + 4], 32, 0x00000000FFFFFFFF);
  for (const int i : {0, 1, 4, 5}) exchange(rows[i], rows[i + 2], 16, 0x0000FFFF0000FFFF);
  for (const int i : {0, 2, 4, 6}) exchange(rows[i], rows[i + 1], 8, 0x00FF00FF00FF00FF);
  for (int64_t i = 0; i < 8; i++) std::memcpy(out + i * out_pitch, &rows[i], 8);
}

}  // namespace

void blend_rows(const BlendInput& in, int64_t length, uint8_t* out) {
  blend(in, length, out);
}

void blend_rows(const BlendInput& in, int64_t length, float* out) {
  blend(in, length, out);
}

void transpose_bytes(const uint8_t* in, int64_t pitch, int64_t height, int64_t width,
                     uint8_t* out) {
  const int64_t rows = height - height % 8;
  const int64_t columns = width - width % 8;
  for (int64_t y = 0; y < rows; y += 8) {
    for (int64_t x = 0; x < columns; x += 8) {
      transpose_block(in + y * pitch + x, pitch, out + x * height + y, height);
    }
  }
  for (int64_t y = 0; y < height; y++) {
    for (int64_t x = y < rows ? columns : 0; x < width; x++)
      out[x * height + y] = in[y * pitch + x];
  }
}

}  // namespace medcoss
