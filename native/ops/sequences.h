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

  int64_t count() const { return static_cast<int64_t>(starts_.size()) - 1; }
  int64_t rows() const { return starts_.back(); }
  int64_t longest() const { return longest_; }
  /// All of one length, so that rows have the shape [count, longest].
  bool even() const { return rows() == count() * longest_; }
  int64_t start(int64_t i) const { return starts_[static_cast<size_t>(i)]; }
  int64_t length(int64_t i) const { return start(i + 1) - start(i); }

  /// Some of the sequences, and where their rows stand among all of them, int64 on the CPU.
  Sequences chosen(const std::vector<int64_t>& which) const;
  at::Tensor rows_of(const std::vector<int64_t>& which) const;
  /// The starts, int32 [count + 1].
  at::Tensor cumulated(at::Device device) const;

 private:
  std::vector<int64_t> starts_{0};
  int64_t longest_ = 0;
};

}  // namespace medcoss
