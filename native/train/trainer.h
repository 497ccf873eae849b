// One network with its optimiser on one device: what the addon wraps.
//
// Invariant: every result follows from the options, the batch and its key; no state but weights and
// moments. Shape letters: B batch, L tokens, H height, W width, D depth, C channels.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/size.h"

namespace medcoss {

struct OptimizerOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.05;
  /// Gradients whose norm, of all together, is larger are scaled down to it; 0: none are.
  double max_gradient_norm = 0;
};

/// Where initial weights come from; everything not named there is drawn from (seed, stage).
struct Start {
  enum class Kind { random, file, formula, same_as_student };
  Kind kind = Kind::random;
  /// A folder that holds model.safetensors, or that file.
  std::string path;
  /// Only encoder and embeddings are copied, as between stages; otherwise every tensor must be
  /// there.
  bool carry_over = false;
  uint64_t formula_seed = 0;
};

struct TrainerOptions {
  ModelSize size;
  Behaviour behaviour;
  OptimizerOptions optimizer;
  std::string device = "cpu";
  /// On an accelerator: steps are recorded once for each kind of batch, and started as a whole.
  bool graphs = true;
  bool bf16 = false;
  /// Parts of a step's batch that take turns in memory.
  int64_t accumulate = 1;
  uint64_t seed = 0;
  int64_t stage = 0;
  Start start;
  /// The frozen network of replay steps.
  std::optional<Start> teacher;
};

struct TextBatch {
  at::Tensor ids_BL;     // int32
  at::Tensor lengths_B;  // int32, 1 to L
  at::Tensor labels_BL;  // int32, -100 where there is none; undefined without labels
};

struct ImageBatch {
  at::Tensor pixels_BHWC;  // uint8, or float32 in [0,1]; C is 3 or 1
  at::Tensor crops_B4;     // float32 top, left, height, width; undefined without crops
  at::Tensor flips_B;      // uint8, bit 0: x; undefined without flips
};

struct VolumeBatch {
  at::Tensor voxels_BDHW;  // int16 or float32
  double scale = 1;
  double offset = 0;
  at::Tensor flips_B;  // uint8, bits 0, 1, 2: x, y, z; undefined without flips
};

using Batch = std::variant<TextBatch, ImageBatch, VolumeBatch>;

struct StepKey {
  uint32_t stage = 0;
  uint32_t step = 0;
};

struct StepResult {
  double loss = 0;
  /// Of all gradients together, before any are scaled down.
  double gradient_norm = 0;
  /// The loss or its gradient was not finite, and nothing was changed.
  bool skipped = false;
  int64_t samples = 0;
};

/// A step that has been started. Where the device works by itself, its result comes later.
struct StartedStep {
  /// Whether `result` is there without waiting.
  std::function<bool()> done;
  std::function<StepResult()> result;
};

struct Reconstruction {
  std::vector<int64_t> shape;
  at::Tensor original;    // float32
  at::Tensor prediction;  // float32, in the units of the input; text: the most probable id
  at::Tensor mask;        // uint8, 1 where the network had to predict
};

/// Given values in place of draws; an undefined tensor is drawn.
struct Injected {
  at::Tensor noise;    // float32 [B,L], masking
  at::Tensor lambda;   // float32 [B], mixup weight of each sample
  at::Tensor keep;     // uint8 [B,L], text mixup: 1 keeps the sample's own token
  at::Tensor partner;  // int32 [B], mixup partner
  /// Replay: float32 [B,1+K,W], text [B,L,W], in place of the teacher's features. The batch is
  /// taken as mixed already.
  at::Tensor targets;
};

struct ProbeOptions : Injected {
  bool replay = false;
  /// Parameters and flat indices whose gradient samples are wanted.
  std::vector<std::pair<std::string, std::vector<int64_t>>> gradients;
  /// Rows of the decoder's prediction of sample 0 to return.
  int64_t predicted_rows = 0;
};

struct Probe {
  double loss = 0;
  /// Norm and wanted samples per parameter that received a gradient.
  std::map<std::string, std::pair<double, std::vector<double>>> gradients;
  at::Tensor encoded;    // [B,1+K,W] with the class token first; text [B,L,W]
  at::Tensor mask;       // float32 [B,L], 1 = masked; undefined for text
  at::Tensor predicted;  // [rows,values]; undefined for text
};

class Trainer {
 public:
  explicit Trainer(const TrainerOptions& options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Starts one optimiser step; with `replay` the distillation objective, else the
  /// masked-modelling one. Whatever is called next sees its weights.
  StartedStep start_step(const Batch& batch, StepKey key, double learning_rate, bool replay,
                         const Injected& injected = {});
  /// The masked-modelling loss in evaluation mode, without an update.
  StepResult evaluate(const Batch& batch, StepKey key);
  /// Mean over the unmasked encoder output's tokens, float32 [B, encoder width].
  at::Tensor features(const Batch& batch, StepKey key);
  Reconstruction reconstruct(const Batch& batch, StepKey key);
  /// Everything observable about one step in evaluation mode, without an update.
  Probe probe(const Batch& batch, StepKey key, const ProbeOptions& options);
  /// L2 norm of every parameter, by name.
  std::map<std::string, double> parameter_norms();
  /// Writes model.safetensors and optimizer.safetensors into an existing folder and flushes them.
  void save(const std::string& directory);
  /// Restores what `save` wrote.
  void load(const std::string& directory);

 private:
  struct State;

  // Runs work that may need more of the device's memory than there is. Then it fails alone: what it
  // held is released, weights and moments are as they were.
  template <typename Work>
  auto within_memory(const Work& work);

  std::unique_ptr<State> state_;
};

}  // namespace medcoss
