#include "ops/sequences.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace medcoss {

Sequences::Sequences(const std::vector<int64_t>& lengths) {
  starts_.reserve(lengths.size() + 1);
  for (const int64_t length : lengths) {
    starts_.push_back(starts_.back() + length);
    longest_ = std::max(longest_, length);
  }
  count_ = static_cast<int64_t>(lengths.size());
  rows_ = starts_.back();
}

Sequences Sequences::on_device(at::Tensor starts, at::Tensor owner_N, int64_t longest) {
  Sequences result;
  result.count_ = starts.size(0) - 1;
  result.rows_ = owner_N.size(0);
  result.longest_ = longest;
  result.starts_on_device_ = std::move(starts);
  result.owner_N_ = std::move(owner_N);
  return result;
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
  if (starts_on_device_.defined()) return starts_on_device_;
  return at::tensor(starts_, at::kInt).to(device);
}

at::Tensor Sequences::owners(at::Device device) const {
  if (owner_N_.defined()) return owner_N_;
  if (even()) {
    const auto index = at::TensorOptions(device).dtype(at::kLong);
    return at::arange(count_, index).unsqueeze(1).expand({count_, longest_}).flatten();
  }
  std::vector<int64_t> owner;
  owner.reserve(static_cast<size_t>(rows_));
  for (int64_t i = 0; i < count_; ++i) {
    owner.insert(owner.end(), static_cast<size_t>(length(i)), i);
  }
  return at::tensor(owner, at::kLong).to(device);
}

}  // namespace medcoss
