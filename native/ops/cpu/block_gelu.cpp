#include "ops/cpu/block_gelu.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include "ops/cpu/block.h"
#include "ops/cpu/block_sums.h"

namespace medcoss::cpu {

at::Tensor block_sums(int64_t blocks, int64_t width) {
  return at::zeros({blocks, width}, at::kFloat);
}

at::Tensor added_blocks(const at::Tensor& sums) {
  const int64_t blocks = sums.size(0);
  const int64_t width = sums.size(1);
  at::Tensor total = at::empty({width}, at::kFloat);
  const float* from = floats(sums);
  float* to = mutable_floats(total);
  constexpr int64_t strip = 64;
  for (int64_t start = 0; start < width; start += strip) {
    const int64_t count = std::min(strip, width - start);
    double added[strip] = {};
    for (int64_t block = 0; block < blocks; ++block) {
      const float* row = from + block * width + start;
      for (int64_t i = 0; i < count; ++i) added[i] += row[i];
    }
    for (int64_t i = 0; i < count; ++i) to[start + i] = static_cast<float>(added[i]);
  }
  return total;
}

at::Tensor bias_gelu(const at::Tensor& u_NH, const at::Tensor& bias_H) {
  at::Tensor a = at::empty_like(u_NH);
  for_type(u_NH.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    run_rows(GeluRows<T>{u_NH.size(1), values<T>(u_NH), floats(bias_H), mutable_values<T>(a)},
             u_NH.size(0), u_NH.size(1));
  });
  return a;
}

GeluGradients bias_gelu_backward(const at::Tensor& da_NH, const at::Tensor& u_NH,
                                 const at::Tensor& bias_H) {
  const int64_t blocks = sum_blocks(u_NH.size(0));
  GeluGradients out{at::empty_like(u_NH), at::empty_like(u_NH), {}};
  const at::Tensor sums = block_sums(blocks, u_NH.size(1));
  for_type(u_NH.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const GeluBackwardBlocks<T> kernel{u_NH.size(1),
                                       u_NH.size(0),
                                       values<T>(da_NH),
                                       values<T>(u_NH),
                                       floats(bias_H),
                                       mutable_values<T>(out.du_NH),
                                       mutable_values<T>(out.a_NH),
                                       mutable_floats(sums)};
    run_rows(kernel, blocks, sum_rows * u_NH.size(1));
  });
  out.dbias_H = added_blocks(sums);
  return out;
}

at::Tensor column_sums(const at::Tensor& x_NW) {
  const int64_t blocks = sum_blocks(x_NW.size(0));
  const at::Tensor sums = block_sums(blocks, x_NW.size(1));
  for_type(x_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    run_rows(ColumnSumBlocks<T>{x_NW.size(1), x_NW.size(0), x_NW.stride(0), values<T>(x_NW),
                                mutable_floats(sums)},
             blocks, sum_rows * x_NW.size(1));
  });
  return added_blocks(sums);
}

}  // namespace medcoss::cpu
