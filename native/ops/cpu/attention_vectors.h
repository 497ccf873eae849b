// Vectors of scores: exponentials, and what a row's end needs.
//
// Included by attention_kernel.h behind the `Vector` of each kind of processor.

using Bits = int32_t __attribute__((vector_size(sizeof(Vector))));

constexpr float log2_of_e = 1.44269504F;

Vector load_vector(const float* from) {
  Vector vector;
  __builtin_memcpy(&vector, from, sizeof(vector));
  return vector;
}

/// 2^x for x <= 0; below -126 it is that of -126.
Vector exp2_of(Vector x) {
  const Vector lowest = Vector{} - 126;
  x = x < lowest ? lowest : x;
  // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
  const Vector shifted = x + 12582912.0F;
  const Vector r = x - (shifted - 12582912.0F);
  Vector p = r * 1.535336188e-4F + 1.339887440e-3F;
  p = p * r + 9.618437358e-3F;
  p = p * r + 5.550332471e-2F;
  p = p * r + 2.402264791e-1F;
  p = p * r + 6.931472029e-1F;
  p = p * r + 1;
  return reinterpret_cast<Vector>(reinterpret_cast<Bits>(p) +
                                  (reinterpret_cast<Bits>(shifted) << 23));
}

/// The first `count` lanes of `x`, the others of `other`.
Vector first_lanes(int64_t count, Vector x, Vector other) {
  for (int64_t i = 0; i < count; ++i) other[i] = x[i];
  return other;
}

float sum_of_lanes(Vector x) {
  float sum = 0;
  for (int64_t i = 0; i < lanes; ++i) sum += x[i];
  return sum;
}

float largest_lane(Vector x) {
  float largest = x[0];
  for (int64_t i = 1; i < lanes; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}
