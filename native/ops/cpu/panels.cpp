#include "ops/cpu/panels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>

// GCC 12 takes the undefined operand of its own intrinsics for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,prefer-vector-width=512")

namespace medcoss {
namespace {

constexpr int64_t lanes = 16;

using Words = __m512i;

struct Square {
  Words row[lanes];
};

// Words of 32 columns.
struct Wide {
  Words low, high;
};

__mmask16 first16(int64_t count) {
  return static_cast<__mmask16>((1U << std::clamp<int64_t>(count, 0, lanes)) - 1);
}

__mmask32 first32(int64_t count) {
  return static_cast<__mmask32>((1ULL << std::clamp<int64_t>(count, 0, 2 * lanes)) - 1);
}

void store_words(void* to, Words words) {
  _mm512_storeu_si512(to, words);
}

Words floats(const float* from, int64_t left) {
  return _mm512_castps_si512(_mm512_maskz_loadu_ps(first16(left), from));
}

// Up to 32 values that follow one another, as bfloat16.
Words halves(const float* from, int64_t left) {
  const __m512 low = _mm512_maskz_loadu_ps(first16(left), from);
  const __m512 high = _mm512_maskz_loadu_ps(first16(left - lanes), from + lanes);
  return reinterpret_cast<Words>(_mm512_cvtne2ps_pbh(high, low));
}

Words halves(const Bf16* from, int64_t left) {
  return _mm512_maskz_loadu_epi16(first32(left), from);
}

// Words across as many rows as a word has values, of which there are `rows`.
template <typename From>
Wide across(const From* at, int64_t, int64_t rows, int64_t columns, float) {
  if (rows <= 0) columns = 0;
  return {floats(at, columns), floats(at + lanes, columns - lanes)};
}

template <typename From>
Wide across(const From* at, int64_t stride, int64_t rows, int64_t columns, Bf16) {
  const Words even = rows > 0 ? halves(at, columns) : _mm512_setzero_si512();
  const Words odd = rows > 1 ? halves(at + stride, columns) : _mm512_setzero_si512();
  const Words places = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                        8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const Words further = _mm512_add_epi16(places, _mm512_set1_epi16(lanes));
  return {_mm512_permutex2var_epi16(even, places, odd),
          _mm512_permutex2var_epi16(even, further, odd)};
}

// Brings the words that `along` will read into the cache.
void prefetch_values(const float* at) {
  __builtin_prefetch(at);
  __builtin_prefetch(at + lanes);
}

// Up to 16 words along a row.
Words along(const float* at, int64_t left, float) {
  return floats(at, left);
}

Words along(const float* at, int64_t left, Bf16) {
  return halves(at, left);
}

// Brings places of the next rows into the cache to be written.
template <typename T>
void prefetch_rows(T* at, int64_t stride, int64_t rows) {
  const int64_t count = std::min(2 * lanes, rows);
  for (int64_t i = 0; i < count; ++i) __builtin_prefetch(at + i * stride, 1, 2);
}

// Lane j of row i becomes lane i of row j.
void transpose(Square& square) {
  Square pairs;
  for (int64_t i = 0; i < lanes; i += 2) {
    pairs.row[i] = _mm512_unpacklo_epi32(square.row[i], square.row[i + 1]);
    pairs.row[i + 1] = _mm512_unpackhi_epi32(square.row[i], square.row[i + 1]);
  }
  Square fours;
  for (int64_t i = 0; i < lanes; i += 4) {
    fours.row[i] = _mm512_unpacklo_epi64(pairs.row[i], pairs.row[i + 2]);
    fours.row[i + 1] = _mm512_unpackhi_epi64(pairs.row[i], pairs.row[i + 2]);
    fours.row[i + 2] = _mm512_unpacklo_epi64(pairs.row[i + 1], pairs.row[i + 3]);
    fours.row[i + 3] = _mm512_unpackhi_epi64(pairs.row[i + 1], pairs.row[i + 3]);
  }
  for (int64_t i = 0; i < 4; ++i) {
    const Words low02 = _mm512_shuffle_i32x4(fours.row[i], fours.row[i + 4], 0x88);
    const Words low13 = _mm512_shuffle_i32x4(fours.row[i], fours.row[i + 4], 0xdd);
    const Words high02 = _mm512_shuffle_i32x4(fours.row[i + 8], fours.row[i + 12], 0x88);
    const Words high13 = _mm512_shuffle_i32x4(fours.row[i + 8], fours.row[i + 12], 0xdd);
    square.row[i] = _mm512_shuffle_i32x4(low02, high02, 0x88);
    square.row[i + 8] = _mm512_shuffle_i32x4(low02, high02, 0xdd);
    square.row[i + 4] = _mm512_shuffle_i32x4(low13, high13, 0x88);
    square.row[i + 12] = _mm512_shuffle_i32x4(low13, high13, 0xdd);
  }
}

}  // namespace

template <typename From, typename T>
void pack_rows(const Matrix<From>& from, T* panels, int64_t panel_values) {
  constexpr int64_t values = values_per_word<T>;
  constexpr int64_t together = 16;
  for (int64_t start = 0; start < padded<T>(from.rows); start += together) {
    const int64_t end = std::min(padded<T>(from.rows), start + together);
    for (int64_t c = 0; c < from.columns; c += panel_columns) {
      T* panel = panels + c / panel_columns * panel_values;
      for (int64_t s = start; s < end; s += values) {
        const From* row = from.at + s * from.stride + c;
        T* to = panel + s * panel_columns;
        for (int64_t i = 0; i < panel_columns; i += 2 * lanes) {
          const Wide words = across(row + i, from.stride, from.rows - s, from.columns - c - i, T());
          store_words(to + i * values, words.low);
          store_words(to + (i + lanes) * values, words.high);
        }
      }
    }
  }
}

template <typename From, typename T>
void pack_columns(const Matrix<From>& from, T* panel) {
  constexpr int64_t values = values_per_word<T>;
  constexpr int64_t far = 64;
  const int64_t words = padded<T>(from.columns) / values;
  for (int64_t c = 0; c < panel_columns; c += lanes) {
    for (int64_t word = 0; word < words; word += lanes) {
      Square square;
      for (int64_t i = 0; i < lanes; ++i) {
        const From* at = from.at + (c + i) * from.stride + word * values;
        prefetch_values(at + far);
        square.row[i] = c + i < from.rows ? along(at, from.columns - word * values, T())
                                          : _mm512_setzero_si512();
      }
      transpose(square);
      T* to = panel + (word * panel_columns + c) * values;
      for (int64_t i = 0; i < lanes; ++i) {
        store_words(to + i * panel_columns * values, square.row[i]);
      }
    }
  }
}

template <typename T>
void pack_transposed(const Matrix<T>& from, T* to, int64_t stride) {
  constexpr int64_t values = values_per_word<T>;
  constexpr int64_t far = 64;
  for (int64_t s = 0; s < from.rows; s += lanes * values) {
    for (int64_t r = 0; r < from.columns; r += 2 * lanes) {
      prefetch_rows(to + (r + far) * stride + s, stride, from.columns - r - far);
      Square squares[2];
      for (int64_t i = 0; i < lanes; ++i) {
        const int64_t row = s + i * values;
        const Wide words = across(from.at + row * from.stride + r, from.stride, from.rows - row,
                                  from.columns - r, T());
        squares[0].row[i] = words.low;
        squares[1].row[i] = words.high;
      }
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t first = r + half * lanes;
        transpose(squares[half]);
        const int64_t count = std::min(lanes, from.columns - first);
        for (int64_t i = 0; i < count; ++i) {
          store_words(to + (first + i) * stride + s, squares[half].row[i]);
        }
      }
    }
  }
}

void round_tile(const float* sums, int64_t rows, int64_t columns, const float* bias, Bf16* to,
                int64_t stride) {
  for (int64_t c = 0; c < columns; c += 2 * lanes) {
    const __mmask16 low = first16(columns - c);
    const __mmask16 high = first16(columns - c - lanes);
    const __mmask32 mask = first32(columns - c);
    __m512 added[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (bias != nullptr) {
      added[0] = _mm512_maskz_loadu_ps(low, bias + c);
      added[1] = _mm512_maskz_loadu_ps(high, bias + c + lanes);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const float* at = sums + r * panel_columns + c;
      const __m512bh rounded =
          _mm512_cvtne2ps_pbh(_mm512_add_ps(_mm512_loadu_ps(at + lanes), added[1]),
                              _mm512_add_ps(_mm512_loadu_ps(at), added[0]));
      _mm512_mask_storeu_epi16(to + r * stride + c, mask, reinterpret_cast<Words>(rounded));
    }
  }
}

template void pack_rows(const Matrix<float>&, float*, int64_t);
template void pack_rows(const Matrix<float>&, Bf16*, int64_t);
template void pack_rows(const Matrix<Bf16>&, Bf16*, int64_t);
template void pack_columns(const Matrix<float>&, float*);
template void pack_columns(const Matrix<float>&, Bf16*);
template void pack_transposed(const Matrix<float>&, float*, int64_t);
template void pack_transposed(const Matrix<Bf16>&, Bf16*, int64_t);

}  // namespace medcoss

#endif
