// What checks of kernels on the host share: memory that faults behind its end, inputs, comparison.
#pragma once

#include <cuda_bf16.h>
#include <sys/mman.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace simt {

using bf16 = __nv_bfloat16;

inline double real(double x) {
  return x;
}
inline double real(float x) {
  return x;
}
inline double real(bf16 x) {
  return __bfloat162float(x);
}

template <typename T>
T make(double x) {
  return static_cast<T>(x);
}
template <>
inline bf16 make(double x) {
  return __float2bfloat16_rn(static_cast<float>(x));
}

/// Memory whose end, rounded up to 16 bytes, is that of its last page; the next page faults. Its
/// bytes are poison at first, which is not a number for every type of floating point. `shift` moves
/// the start off its alignment by so many values.
template <typename T>
class Buffer {
 public:
  explicit Buffer(size_t count, size_t shift = 0) : count_(count) {
    const size_t bytes = ((count + shift) * sizeof(T) + 15) / 16 * 16;
    whole_ = (bytes + page - 1) / page * page;
    void* memory =
        mmap(nullptr, whole_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    base_ = static_cast<char*>(memory);
    std::memset(base_, 0xff, whole_);
    mprotect(base_ + whole_, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + whole_ - bytes) + shift;
  }
  ~Buffer() { munmap(base_, whole_ + page); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* get() { return data_; }
  const T* get() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

  /// Whether the bytes around the values are as they were.
  bool intact() const {
    const auto* begin = reinterpret_cast<const char*>(data_);
    const auto* end = reinterpret_cast<const char*>(data_ + count_);
    for (const char* at = base_; at < base_ + whole_; ++at) {
      if ((at < begin || at >= end) && *at != '\xff') return false;
    }
    return true;
  }

 private:
  static constexpr size_t page = 4096;
  size_t count_, whole_;
  char* base_;
  T* data_;
};

/// Pseudo-random values in [low,high), the same for the same seed.
template <typename T>
void fill(Buffer<T>& buffer, uint64_t seed, double low = -1, double high = 1) {
  uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
  for (size_t i = 0; i < buffer.size(); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const double unit = static_cast<double>(state >> 40) * 0x1p-24;
    buffer[i] = make<T>(low + (high - low) * unit);
  }
}

/// Prints a line for the test that reads them: what was compared, ||found - expected|| over
/// ||expected|| and its bound. Memory that changed around `found` is an infinite error.
template <typename T>
void compare(const std::string& name, const Buffer<T>& found, const std::vector<double>& expected,
             double bound) {
  double error = 0;
  double size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = real(found[i]) - expected[i];
    error += difference * difference;
    size += expected[i] * expected[i];
  }
  const double result = size > 0 ? std::sqrt(error / size) : std::sqrt(error);
  const bool sound = found.intact() && found.size() == expected.size() && result == result;
  std::printf("{\"name\":\"%s\",\"error\":%g,\"bound\":%g}\n", name.c_str(), sound ? result : 1e300,
              bound);
}

/// Rounding of results of a type, relative to their norm.
template <typename T>
constexpr double precision = 2e-6;
template <>
inline constexpr double precision<bf16> = 0x1p-8;
template <>
inline constexpr double precision<double> = 1e-12;

template <typename T>
const char* type_name();
template <>
inline const char* type_name<float>() {
  return "float32";
}
template <>
inline const char* type_name<bf16>() {
  return "bfloat16";
}

}  // namespace simt
