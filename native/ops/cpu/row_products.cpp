#include "ops/cpu/row_products.h"

#include <algorithm>

namespace medcoss {
namespace {

#if defined(__x86_64__)
#define MEDCOSS_AVX2 __attribute__((target("avx2,fma")))
#define MEDCOSS_INLINE inline __attribute__((always_inline))
#else
#define MEDCOSS_INLINE inline
#endif

using Eight = float __attribute__((vector_size(32), aligned(4)));
using EightInts = int32_t __attribute__((vector_size(32)));
using FourDoubles = double __attribute__((vector_size(32)));

constexpr int eights = panel_width / 8;

// Six rows by two vectors of eight: twelve sums, two panel loads and one broadcast fill the sixteen
// registers of AVX2 and hide the latency of its multiply-adds.
constexpr int64_t tile_rows = 6;

template <int rows>
MEDCOSS_INLINE void tile(const float* const* x, int64_t begin, int64_t end, const float* panel,
                         float* out) {
  Eight sum[rows][eights] = {};
  for (int64_t i = begin; i < end; ++i) {
    const auto* vectors = reinterpret_cast<const Eight*>(panel + i * panel_width);
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < eights; ++v) sum[r][v] += vectors[v] * x[r][i];
    }
  }
  auto* place = reinterpret_cast<Eight*>(out);
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < eights; ++v) {
      if (begin == 0)
        place[r * eights + v] = sum[r][v];
      else
        place[r * eights + v] += sum[r][v];
    }
  }
}

MEDCOSS_INLINE void rest(const float* const* x, int64_t rows, int64_t begin, int64_t end,
                         const float* panel, float* out) {
  switch (rows) {
    case 5:
      return tile<5>(x, begin, end, panel, out);
    case 4:
      return tile<4>(x, begin, end, panel, out);
    case 3:
      return tile<3>(x, begin, end, panel, out);
    case 2:
      return tile<2>(x, begin, end, panel, out);
    case 1:
      return tile<1>(x, begin, end, panel, out);
    default:
      return;
  }
}

// A stretch of the panel at a time, which stays in the first cache while all rows pass.
MEDCOSS_INLINE void products(const float* const* rows, int64_t count, int64_t length,
                             const float* panel, float* out) {
  for (int64_t begin = 0; begin < length; begin += product_chain) {
    const int64_t end = std::min(begin + product_chain, length);
    int64_t r = 0;
    for (; r + tile_rows <= count; r += tile_rows) {
      tile<tile_rows>(rows + r, begin, end, panel, out + r * panel_width);
    }
    rest(rows + r, count - r, begin, end, panel, out + r * panel_width);
  }
}

// One step of a tournament among lanes: each meets the one that `from` names.
MEDCOSS_INLINE void meet(Eight& first, Eight& second, const EightInts& from) {
  const Eight rival = __builtin_shuffle(first, from);
  const Eight rival_second = __builtin_shuffle(second, from);
  const Eight loser = first < rival ? rival : first;
  second = second < rival_second ? second : rival_second;
  second = second < loser ? second : loser;
  first = first < rival ? first : rival;
}

MEDCOSS_INLINE void smallest(const float* products, int64_t count, const float* norms,
                             TwoSmallest* out) {
  const auto* norm = reinterpret_cast<const Eight*>(norms);
  for (int64_t i = 0; i < count; ++i) {
    const auto* product = reinterpret_cast<const Eight*>(products + i * panel_width);
    const Eight low = norm[0] - 2 * product[0];
    const Eight high = norm[1] - 2 * product[1];
    Eight first = low < high ? low : high;
    Eight second = low < high ? high : low;
    meet(first, second, EightInts{4, 5, 6, 7, 0, 1, 2, 3});
    meet(first, second, EightInts{2, 3, 0, 1, 6, 7, 4, 5});
    meet(first, second, EightInts{1, 0, 3, 2, 5, 4, 7, 6});
    // The lowest lane that holds the smallest.
    const EightInts none = EightInts{} + static_cast<int32_t>(panel_width);
    const EightInts lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    EightInts at = high == first ? lanes + 8 : none;
    at = low == first ? lanes : at;
    for (const EightInts& from :
         {EightInts{4, 5, 6, 7, 0, 1, 2, 3}, EightInts{2, 3, 0, 1, 6, 7, 4, 5},
          EightInts{1, 0, 3, 2, 5, 4, 7, 6}}) {
      const EightInts rival = __builtin_shuffle(at, from);
      at = at < rival ? at : rival;
    }
    out[i].first = first[0];
    out[i].second = second[0];
    out[i].place = at[0];
  }
}

MEDCOSS_INLINE double distance(const float* a, const float* b, int64_t length) {
  FourDoubles sums[2] = {};
  int64_t i = 0;
  for (; i + 8 <= length; i += 8) {
    for (int half = 0; half < 2; ++half) {
      const float* p = a + i + half * 4;
      const float* q = b + i + half * 4;
      const FourDoubles x = {p[0], p[1], p[2], p[3]};
      const FourDoubles y = {q[0], q[1], q[2], q[3]};
      sums[half] += (x - y) * (x - y);
    }
  }
  const FourDoubles all = sums[0] + sums[1];
  double sum = (all[0] + all[1]) + (all[2] + all[3]);
  for (; i < length; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return sum;
}

using Products = void (*)(const float* const*, int64_t, int64_t, const float*, float*);
using Smallest = void (*)(const float*, int64_t, const float*, TwoSmallest*);
using Distance = double (*)(const float*, const float*, int64_t);

struct Kernels {
  Products products;
  Smallest smallest;
  Distance distance;
};

#if defined(__x86_64__)
MEDCOSS_AVX2 void products_avx2(const float* const* rows, int64_t count, int64_t length,
                                const float* panel, float* out) {
  products(rows, count, length, panel, out);
}

MEDCOSS_AVX2 void smallest_avx2(const float* products, int64_t count, const float* norms,
                                TwoSmallest* out) {
  smallest(products, count, norms, out);
}

MEDCOSS_AVX2 double distance_avx2(const float* a, const float* b, int64_t length) {
  return distance(a, b, length);
}
#endif

// The addon is compiled for every x86-64; what the processor has beyond that is found here.
const Kernels& kernels() {
  static const Kernels chosen = [] {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      return Kernels{products_avx2, smallest_avx2, distance_avx2};
    }
#endif
    return Kernels{products, smallest, distance};
  }();
  return chosen;
}

}  // namespace

void row_products(const float* const* rows, int64_t count, int64_t length, const float* panel,
                  float* out) {
  kernels().products(rows, count, length, panel, out);
}

void two_smallest(const float* products, int64_t count, const float* norms, TwoSmallest* out) {
  kernels().smallest(products, count, norms, out);
}

double squared_distance(const float* a, const float* b, int64_t length) {
  return kernels().distance(a, b, length);
}

}  // namespace medcoss
