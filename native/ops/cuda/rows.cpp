// Launchers of the operations on rows that an index names.
#include "ops/cuda/launch_support.h"
#include "ops/cuda/launchers.h"
#include "ops/cuda/row_kernels.h"

namespace medcoss::cuda {

void Launchers::add_rows(const at::Tensor& x_NW, const at::Tensor& row_M, const at::Tensor& y_MW) {
  const Launch launch(x_NW);
  for_compute_type(x_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::add_rows<T>({values<T>(y_MW), row_M.const_data_ptr<int64_t>(), mutable_values<T>(x_NW),
                       y_MW.size(0), y_MW.size(1)},
                      launch.stream);
  });
  check_launch("add_rows");
}

void Launchers::sum_copies(const at::Tensor& x_NW, const at::Tensor& index_RC,
                           const at::Tensor& sums_RW) {
  const Launch launch(x_NW);
  for_compute_type(x_NW.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    cuda::sum_copies<T>({values<T>(x_NW), index_RC.const_data_ptr<int64_t>(),
                         mutable_floats(sums_RW), index_RC.size(0), index_RC.size(1), x_NW.size(1)},
                        launch.stream);
  });
  check_launch("sum_copies");
}

}  // namespace medcoss::cuda
