// The inner loops of image resizing: rows of bytes blended by fixed-point weights, and a transpose.
//
// Invariant: results are those of 32-bit integer arithmetic, the same for every instruction set.
#pragma once

#include <cstdint>

namespace medcoss {

/// Fractional bits of the weights.
inline constexpr int blend_bits = 22;

/// Rows to blend into one, `pitch` bytes from each to the next.
struct BlendInput {
  const uint8_t* rows;
  int64_t pitch;
  const int32_t* weights;
  int64_t count;
};

/// out[i] = clamp(round(sum_k weights[k] rows[k][i] / 2^22), 0, 255) for i < length.
void blend_rows(const BlendInput& in, int64_t length, uint8_t* out);

/// The same divided by 255.
void blend_rows(const BlendInput& in, int64_t length, float* out);

/// out[x][y] = in[y][x] for bytes, `pitch` bytes between the rows of `in`, those of `out` adjacent.
void transpose_bytes(const uint8_t* in, int64_t pitch, int64_t height, int64_t width, uint8_t* out);

}  // namespace medcoss
