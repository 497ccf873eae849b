// Rows of several sequences, one sequence after another without padding.
//
// Invariant: rows of sequence i are starts[i] to starts[i + 1]; no sequence is cut.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace medcoss {

class Sequences {
 public:
  Sequences() = default;
  explicit Sequences(const std::vector<int64_t>& lengths);
  static Sequences equal(int64_t count, int64_t length);
  /// Of lengths that only a device knows: their starts, int32 [count + 1], and the number of the
  /// sequence that each row belongs to, int64. None is longer than `longest`.
  static Sequences on_device(at::Tensor starts, at::Tensor owner_N, int64_t longest);

  int64_t count() const { return count_; }
  int64_t rows() const { return rows_; }
  int64_t longest() const { return longest_; }
  /// All of one length, so that rows have the shape [count, longest].
  bool even() const { return !starts_on_device_.defined() && rows_ == count_ * longest_; }
  /// Not of sequences on a device.
  int64_t start(int64_t i) const { return starts_[static_cast<size_t>(i)]; }
  int64_t length(int64_t i) const { return start(i + 1) - start(i); }

  /// Some of the sequences, and where their rows stand among all of them, int64 on the CPU. Not of
  /// sequences on a device.
  Sequences chosen(const std::vector<int64_t>& which) const;
  at::Tensor rows_of(const std::vector<int64_t>& which) const;

  /// The starts, int32 [count + 1], and the sequence of each row, int64 [rows]. A device is waited
  /// for where lengths are neither even nor on it.
  at::Tensor cumulated(at::Device device) const;
  at::Tensor owners(at::Device device) const;

 private:
  std::vector<int64_t> starts_{0};
  int64_t count_ = 0, rows_ = 0, longest_ = 0;
  at::Tensor starts_on_device_, owner_N_;
};

}  // namespace medcoss
