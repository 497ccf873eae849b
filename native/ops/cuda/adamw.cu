// Tensors are cut into chunks, a block for each. Which tensors there are travels as a kernel
// parameter, so that nothing is uploaded and a graph keeps it; their number per launch is limited
// by the size of parameters.
#include "ops/cuda/adamw_kernels.h"
#include "ops/cuda/launch.cuh"
#include "ops/cuda/numbers.cuh"
#include "ops/cuda/reduce.cuh"

namespace medcoss::cuda {
namespace {

constexpr int threads = 256;
constexpr int settle_threads = 1024;
constexpr int64_t chunk = 16384;
constexpr int quads_in_flight = 2;
constexpr int table_size = 128;
constexpr double clip_epsilon = 1e-6;  // of torch.nn.utils.clip_grad_norm_

struct Table {
  AdamwSlot slots[table_size];
  int first_chunk[table_size + 1];  // of each slot, and the number of all
  bool quads[table_size];           // whether four neighbours may move as one
  int size;
  int64_t chunks_before;  // in earlier tables
};
// More was not possible before CUDA 12.1; kernels have other parameters too.
static_assert(sizeof(Table) < 32000, "a kernel's parameters");

// Part of a tensor.
struct Chunk {
  int slot;
  int64_t begin, end;
};

__device__ inline Chunk chunk_of(const Table& table, int index) {
  int low = 0;
  int high = table.size;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (table.first_chunk[middle] <= index ? low : high) = middle;
  }
  const int64_t begin = (index - table.first_chunk[low]) * chunk;
  const int64_t count = table.slots[low].count;
  return {low, begin, begin + chunk < count ? begin + chunk : count};
}

__device__ inline float gradient_at(const AdamwSlot& slot, int64_t at) {
  if (slot.gradient == nullptr) return 0;
  return slot.half_gradient ? to_float(static_cast<const bf16*>(slot.gradient)[at])
                            : static_cast<const float*>(slot.gradient)[at];
}

__device__ inline Pack<float, 4> gradient_quad(const AdamwSlot& slot, int64_t at) {
  if (slot.gradient == nullptr) return {};
  if (!slot.half_gradient)
    return load_pack<float, 4>(static_cast<const float*>(slot.gradient) + at);
  const auto half = load_pack<bf16, 4>(static_cast<const bf16*>(slot.gradient) + at);
  Pack<float, 4> result;
  for (int i = 0; i < 4; ++i) result.at[i] = to_float(half.at[i]);
  return result;
}

// Partial sums are float64, as is the CPU's: the norm decides what happens to the whole step.
__global__ void __launch_bounds__(threads)
    gradient_squares(const __grid_constant__ Table table, double* sums) {
  const Chunk part = chunk_of(table, blockIdx.x);
  const AdamwSlot& slot = table.slots[part.slot];
  double sum = 0;
  int64_t at = part.begin + threadIdx.x;
  if (table.quads[part.slot]) {
#pragma unroll 4
    for (int64_t i = part.begin + 4 * threadIdx.x; i + 4 <= part.end; i += 4 * threads) {
      const auto quad = gradient_quad(slot, i);
      for (const float value : quad.at) sum += static_cast<double>(value) * value;
    }
    at = part.end - (part.end - part.begin) % 4 + threadIdx.x;
  }
  for (; at < part.end; at += threads) {
    const double value = gradient_at(slot, at);
    sum += value * value;
  }
  sum = block_sum<threads>(sum);
  if (threadIdx.x == 0) sums[table.chunks_before + blockIdx.x] = sum;
}

__global__ void __launch_bounds__(settle_threads)
    settle(const double* sums, int64_t count, const float* loss, double* outcome) {
  const double norm = sqrt(sum_of<settle_threads>(sums, count));
  if (threadIdx.x != 0) return;
  outcome[0] = norm;
  outcome[1] = isfinite(norm) && isfinite(*loss) ? 0 : 1;
}

__global__ void __launch_bounds__(table_size)
    count_step(const __grid_constant__ Table table, const double* outcome) {
  const int slot = threadIdx.x;
  if (slot < table.size && outcome[1] == 0) *table.slots[slot].steps += 1;
}

struct Coefficients {
  float keep;  // of a value, after decay
  float average, square, square_kept;
  float rate, root_of_correction, epsilon;
  float clip;
};

__device__ inline Coefficients coefficients_of(const AdamwSlot& slot, const AdamwStep& step) {
  const double rate = *step.learning_rate;
  const double count = *slot.steps;
  const double norm = step.outcome[0];
  const double clip = step.max_norm > 0 ? step.max_norm / (norm + clip_epsilon) : 1;
  Coefficients c;
  c.keep = static_cast<float>(1 - (slot.decays ? rate * step.weight_decay : 0));
  c.average = static_cast<float>(1 - step.beta1);
  c.square = static_cast<float>(1 - step.beta2);
  c.square_kept = static_cast<float>(step.beta2);
  c.rate = static_cast<float>(rate / (1 - pow(step.beta1, count)));
  c.root_of_correction = static_cast<float>(sqrt(1 - pow(step.beta2, count)));
  c.epsilon = static_cast<float>(step.epsilon);
  c.clip = static_cast<float>(clip < 1 ? clip : 1);
  return c;
}

__device__ inline void update(const Coefficients& c, float gradient, float& value, float& average,
                              float& square) {
  gradient *= c.clip;
  average += c.average * (gradient - average);
  square = square * c.square_kept + c.square * gradient * gradient;
  value = value * c.keep - c.rate * average / (sqrtf(square) / c.root_of_correction + c.epsilon);
}

struct Quad {
  Pack<float, 4> value, gradient, average, square;
};

__device__ inline void update_quad(const AdamwSlot& slot, const Coefficients& c, Quad& quad,
                                   int64_t at) {
  Pack<bf16, 4> shadow;
  for (int i = 0; i < 4; ++i) {
    update(c, quad.gradient.at[i], quad.value.at[i], quad.average.at[i], quad.square.at[i]);
    store(shadow.at[i], quad.value.at[i]);
  }
  store_pack(slot.value + at, quad.value);
  store_pack(slot.average + at, quad.average);
  store_pack(slot.square + at, quad.square);
  if (slot.shadow != nullptr) store_pack(slot.shadow + at, shadow);
}

__device__ inline void update_quads(const AdamwSlot& slot, const Coefficients& c,
                                    const Chunk& part) {
  constexpr int64_t stride = 4 * threads;
  for (int64_t at = part.begin + 4 * threadIdx.x; at + 4 <= part.end;
       at += quads_in_flight * stride) {
    Quad quads[quads_in_flight];
#pragma unroll
    for (int i = 0; i < quads_in_flight; ++i) {
      const int64_t here = at + i * stride;
      if (here + 4 > part.end) break;
      quads[i] = {load_pack<float, 4>(slot.value + here), gradient_quad(slot, here),
                  load_pack<float, 4>(slot.average + here),
                  load_pack<float, 4>(slot.square + here)};
    }
#pragma unroll
    for (int i = 0; i < quads_in_flight; ++i) {
      const int64_t here = at + i * stride;
      if (here + 4 > part.end) break;
      update_quad(slot, c, quads[i], here);
    }
  }
}

__global__ void __launch_bounds__(threads)
    update_chunks(const __grid_constant__ Table table, const __grid_constant__ AdamwStep step) {
  __shared__ Coefficients shared;
  if (step.outcome[1] != 0) return;
  const Chunk part = chunk_of(table, blockIdx.x);
  const AdamwSlot& slot = table.slots[part.slot];
  if (threadIdx.x == 0) shared = coefficients_of(slot, step);
  __syncthreads();
  const Coefficients c = shared;
  int64_t at = part.begin + threadIdx.x;
  if (table.quads[part.slot]) {
    update_quads(slot, c, part);
    at = part.end - (part.end - part.begin) % 4 + threadIdx.x;
  }
  for (; at < part.end; at += threads) {
    float value = slot.value[at];
    update(c, gradient_at(slot, at), value, slot.average[at], slot.square[at]);
    slot.value[at] = value;
    if (slot.shadow != nullptr) store(slot.shadow[at], value);
  }
}

bool fits_quads(const AdamwSlot& slot) {
  return aligned(16, slot.value, slot.average, slot.square) && aligned(8, slot.shadow) &&
         aligned(slot.half_gradient ? 8 : 16, static_cast<const char*>(slot.gradient));
}

std::vector<Table> tables_of(const std::vector<AdamwSlot>& slots) {
  std::vector<Table> tables;
  int64_t chunks = 0;
  for (const AdamwSlot& slot : slots) {
    if (slot.count == 0) continue;
    if (tables.empty() || tables.back().size == table_size) {
      tables.push_back({});
      tables.back().chunks_before = chunks;
    }
    Table& table = tables.back();
    const int64_t count = divide_up(slot.count, chunk);
    table.slots[table.size] = slot;
    table.quads[table.size] = fits_quads(slot);
    table.first_chunk[table.size + 1] = table.first_chunk[table.size] + static_cast<int>(count);
    ++table.size;
    chunks += count;
  }
  return tables;
}

}  // namespace

int64_t adamw_workspace(const std::vector<AdamwSlot>& slots) {
  int64_t chunks = 0;
  for (const AdamwSlot& slot : slots) chunks += divide_up(slot.count, chunk);
  return chunks;
}

void adamw(const std::vector<AdamwSlot>& slots, const AdamwStep& step, cudaStream_t stream) {
  const std::vector<Table> tables = tables_of(slots);
  const auto chunks = [](const Table& table) { return grid_of(table.first_chunk[table.size]); };
  for (const Table& table : tables) {
    launch(gradient_squares, chunks(table), threads, stream, table, step.workspace);
  }
  launch(settle, grid_of(1), settle_threads, stream, step.workspace, adamw_workspace(slots),
         step.loss, step.outcome);
  for (const Table& table : tables) {
    launch(count_step, grid_of(1), table_size, stream, table, step.outcome);
    launch(update_chunks, chunks(table), threads, stream, table, step);
  }
}

}  // namespace medcoss::cuda
