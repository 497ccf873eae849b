#include "ops/sequences.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>

namespace medcoss {

Sequences::Sequences(const std::vector<int64_t>& lengths) {
  starts_.reserve(lengths.size() + 1);
  for (const int64_t length : lengths) {
    starts_.push_back(starts_.back() + length);
    longest_ = std::max(longest_, length);
  }
}

Sequences Sequences::equal(int64_t count, int64_t length) {
  return Sequences(std::vector<int64_t>(static_cast<size_t>(count), length));
}

Sequences Sequences::chosen(const std::vector<int64_t>& which) const {
  std::vector<int64_t> lengths;
  lengths.reserve(which.size());
  for (const int64_t i : which) lengths.push_back(length(i));
  return Sequences(lengths);
}

at::Tensor Sequences::rows_of(const std::vector<int64_t>& which) const {
  int64_t count = 0;
  for (const int64_t i : which) count += length(i);
  at::Tensor rows = at::empty({count}, at::kLong);
  auto* to = rows.mutable_data_ptr<int64_t>();
  for (const int64_t i : which) {
    std::iota(to, to + length(i), start(i));
    to += length(i);
  }
  return rows;
}

at::Tensor Sequences::cumulated(at::Device device) const {
  return at::tensor(starts_, at::kInt).to(device);
}

}  // namespace medcoss
