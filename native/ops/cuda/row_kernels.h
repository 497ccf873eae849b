// Operations on rows that an index names, as pointers and sizes.
//
// Invariant: sums run in an order that the shape alone decides, so the same input gives the same
// bits.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace medcoss::cuda {

/// x[row[i]] += y[i]; each row at most once.
template <typename T>
struct AddRows {
  const T* y;          // [rows,width]
  const int64_t* row;  // [rows]
  T* x;                // [any,width]
  int64_t rows, width;
};

/// sums[i] = sum of from[index[i][j]] over j; an index below 0 names none.
template <typename T>
struct SumCopies {
  const T* from;         // [any,width]
  const int64_t* index;  // [rows,count]
  float* sums;           // [rows,width]
  int64_t rows, count, width;
};

template <typename T>
void add_rows(const AddRows<T>& p, cudaStream_t stream);
template <typename T>
void sum_copies(const SumCopies<T>& p, cudaStream_t stream);

}  // namespace medcoss::cuda
