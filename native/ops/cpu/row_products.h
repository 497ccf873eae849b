// Products of chosen rows with a few packed vectors: what k-means still needs of a matrix product
// once its bounds have ruled out the rest. Rows are read where they lie, without gathering.
//
// Invariant: one product's value depends on its row and vector only, not on its neighbours or the
// number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace medcoss {

/// Vectors of a panel, whose element i of vector v stands at [i * panel_width + v].
constexpr int64_t panel_width = 16;
/// Additions that follow one another in one sum; bounds its rounding error.
constexpr int64_t product_chain = 256;

/// out [count, panel_width] = rows [count][length] times a panel.
void row_products(const float* const* rows, int64_t count, int64_t length, const float* panel,
                  float* out);

/// The two smallest of a row's values, and the place of the smallest (the lowest of equal ones).
struct TwoSmallest {
  float first = std::numeric_limits<float>::infinity();
  float second = std::numeric_limits<float>::infinity();
  int32_t place = -1;

  void add(const TwoSmallest& other) {
    second = std::min({second, other.second, std::max(first, other.first)});
    if (other.first >= first) return;
    first = other.first;
    place = other.place;
  }
};

/// out [count]: of norms [panel_width] - 2 products [count, panel_width].
void two_smallest(const float* products, int64_t count, const float* norms, TwoSmallest* out);

/// sum (a_i - b_i)^2 in float64.
double squared_distance(const float* a, const float* b, int64_t length);

}  // namespace medcoss
