// Instructions of Hopper GPUs (sm_90a) that k-means uses: copies of whole tiles, barriers in shared
// memory that count their bytes, products of four warps at once.
//
// Invariant: nothing here knows of k-means; a test that runs the kernels on the host has a header
// of its own with these functions. On other targets the functions are empty.
#pragma once

#include <cuda.h>

#include "ops/cuda/instructions.cuh"

namespace medcoss::cuda {

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define MEDCOSS_HOPPER(...) asm volatile(__VA_ARGS__)
#else
#define MEDCOSS_HOPPER(...)
#endif

using TileMap = CUtensorMap;

/// Rows [rows,width] of 2-byte values as tiles of `tile_rows` rows and 64 values, for load_tile.
inline int make_tile_map(TileMap& map, const uint16_t* rows_NW, int64_t rows, int64_t width,
                         int tile_rows) {
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found;
  const cudaError_t code = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000,
                                                            cudaEnableDefault, &found);
  if (code != cudaSuccess) return code;
  if (found != cudaDriverEntryPointSuccess) return cudaErrorNotSupported;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(width), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(width) * 2};
  const cuuint32_t box[] = {64, static_cast<cuuint32_t>(tile_rows)};
  const cuuint32_t steps[] = {1, 1};
  const auto encode = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(entry);
  const CUresult result =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, const_cast<uint16_t*>(rows_NW), sizes,
             strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

/// A barrier in shared memory that `count` arrivals and all expected bytes complete.
__device__ inline void make_barrier(SharedAddress barrier, int count) {
  MEDCOSS_HOPPER("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
/// After the barriers were made: others may use them, the copy engine too.
__device__ inline void publish_barriers() {
  MEDCOSS_HOPPER("fence.mbarrier_init.release.cluster; fence.proxy.async.shared::cta;" ::
                     : "memory");
}
/// One arrival, with bytes that copies will bring.
__device__ inline void expect_bytes(SharedAddress barrier, int bytes) {
  MEDCOSS_HOPPER("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
                 : "memory");
}
__device__ inline void arrive(SharedAddress barrier) {
  MEDCOSS_HOPPER("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
/// Waits for the end of the barrier's phase of that parity.
__device__ inline void wait_for_phase(SharedAddress barrier, uint32_t parity) {
  MEDCOSS_HOPPER(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

/// Starts the copy of a tile whose first value is (row, depth); what lies outside becomes zero.
__device__ inline void load_tile(SharedAddress to, const TileMap& map, int depth, int row,
                                 SharedAddress barrier) {
  MEDCOSS_HOPPER(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4}], [%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(depth), "r"(row)
      : "memory");
}

/// What names 64 or 256 rows of a tile, from 16 of its values on, to `multiply_group`: 128 bytes a
/// row, eight rows together, 16 bytes exchanged within 128.
__device__ inline uint64_t tile_descriptor(SharedAddress from) {
  return static_cast<uint64_t>((from & 0x3ffff) >> 4) | uint64_t{1} << 16 | uint64_t{64} << 32 |
         uint64_t{1} << 62;
}

__device__ inline void begin_group() {
  MEDCOSS_HOPPER("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void commit_group() {
  MEDCOSS_HOPPER("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits for all but the last `pending` groups.
template <int pending>
__device__ inline void wait_for_groups() {
  MEDCOSS_HOPPER("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

/// Sums are read after this only, however the compiler orders the rest.
__device__ inline void hold(float (&sums)[128]) {
#pragma unroll
  for (float& sum : sums) asm volatile("" : "+f"(sum)::"memory");
}

/// Registers of each thread of the four warps from here on.
template <int count>
__device__ inline void take_registers() {
  MEDCOSS_HOPPER("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}
template <int count>
__device__ inline void give_registers() {
  MEDCOSS_HOPPER("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}

#define MEDCOSS_FOUR(sums, i) "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
#define MEDCOSS_SIXTEEN(sums, i)                                               \
  MEDCOSS_FOUR(sums, i), MEDCOSS_FOUR(sums, i + 4), MEDCOSS_FOUR(sums, i + 8), \
      MEDCOSS_FOUR(sums, i + 12)

/// sums (+)= rows [64,16] x centres [256,16], four warps together: sums [64,256] as for
/// multiply_add, 16 rows a warp, four of a lane for each eight columns.
__device__ inline void multiply_group(float (&sums)[128], uint64_t rows, uint64_t centres,
                                      int keep) {
  MEDCOSS_HOPPER(
      "{\n"
      ".reg .pred keep;\n"
      "setp.ne.b32 keep, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, "
      "%127"
      "}, %128, %129, keep, 1, 1, 0, 0;\n"
      "}"
      : MEDCOSS_SIXTEEN(sums, 0), MEDCOSS_SIXTEEN(sums, 16), MEDCOSS_SIXTEEN(sums, 32),
        MEDCOSS_SIXTEEN(sums, 48), MEDCOSS_SIXTEEN(sums, 64), MEDCOSS_SIXTEEN(sums, 80),
        MEDCOSS_SIXTEEN(sums, 96), MEDCOSS_SIXTEEN(sums, 112)
      : "l"(rows), "l"(centres), "r"(keep));
}

#undef MEDCOSS_SIXTEEN
#undef MEDCOSS_FOUR
#undef MEDCOSS_HOPPER

}  // namespace medcoss::cuda
