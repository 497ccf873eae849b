// Losses with their gradients, as pointers and sizes.
//
// Invariant: sums are float64 over fixed rows, then over their results in order; numbers of rows
// that count stay on the device. Shape letters: N rows, W width, V values of a patch.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

namespace medcoss::cuda {

/// Mean squared difference of two encoders' outputs over the rows that count.
struct FeatureDistance {
  const float* student;  // [N,W]
  const float* teacher;  // [N,W]
  const bool* real;      // [N]; none: all rows count
  int64_t rows, width;
  double* workspace;  // feature_distance_workspace values
  double* elements;   // [1], how many values count
  float* loss;        // [1]; without a row that counts not a number
};

/// gradient = 2 upstream (student - teacher) / elements, zero in rows that do not count.
struct FeatureDistanceBackward {
  const float* upstream;  // [1]
  const float* student;
  const float* teacher;
  const bool* real;
  const double* elements;
  float* gradient;  // [N,W]
  int64_t rows, width;
};

int64_t feature_distance_workspace(int64_t rows);

void feature_distance(const FeatureDistance& p, cudaStream_t stream);
void feature_distance_backward(const FeatureDistanceBackward& p, cudaStream_t stream);

/// Mean squared difference of predicted patches and removed ones, which are normalised by their own
/// mean and variance (with n - 1, plus 1e-6); and its gradient, where the loss's own is 1.
template <typename T>
struct PatchLoss {
  const T* predicted;      // [samples removed,V]
  const float* patches;    // [samples all,V]
  const int64_t* removed;  // [samples removed], places among a sample's patches
  int64_t samples, removed_patches, all_patches, values;
  double* workspace;  // one value for each removed patch
  T* gradient;        // as `predicted`
  float* loss;        // [1]
};

template <typename T>
void patch_loss(const PatchLoss<T>& p, cudaStream_t stream);

/// Mean cross entropy of words; the gradient of the scores, where the loss's own is 1, takes their
/// place.
template <typename T>
struct WordLoss {
  T* scores;          // [rows,stride], without bias; a row starts at a multiple of 16 bytes
  const float* bias;  // [classes]
  const int64_t* id;  // [rows]; below 0: the row does not count
  int64_t rows, classes, stride;
  double* workspace;  // [rows]
  double* counted;    // [1]
  float* loss;        // [1]; without a row that counts not a number
};

template <typename T>
void word_loss(const WordLoss<T>& p, cudaStream_t stream);

/// gradient *= upstream; where that is 1, the gradient is not touched.
template <typename T>
struct ScaledGradient {
  const float* upstream;  // [1]
  T* gradient;            // [count]
  int64_t count;
};

template <typename T>
void scale_gradient(const ScaledGradient<T>& p, cudaStream_t stream);

}  // namespace medcoss::cuda
