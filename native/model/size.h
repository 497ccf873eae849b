// Dimensions of a network and the switches between published and corrected behaviour, as plain
// data.
#pragma once

#include <array>
#include <cstdint>

namespace medcoss {

/// Edge of a patch in pixels or voxels, on every axis.
constexpr int64_t patch_edge = 16;

struct ModelSize {
  int64_t encoder_width = 768;
  int64_t encoder_layers = 12;
  int64_t encoder_heads = 12;
  int64_t decoder_width = 512;
  int64_t decoder_layers = 8;
  int64_t decoder_heads = 16;
  /// Rows of the token table and classes of the language head.
  int64_t vocabulary = 49411;
  /// Edge of a square image, pixels.
  int64_t image_size = 224;
  /// Depth, height, width, voxels.
  std::array<int64_t, 3> volume_size{16, 192, 192};
  /// Longest text, tokens.
  int64_t text_length = 112;

  std::array<int64_t, 3> image_grid() const {
    return {1, image_size / patch_edge, image_size / patch_edge};
  }
  std::array<int64_t, 3> volume_grid() const {
    return {volume_size[0] / patch_edge, volume_size[1] / patch_edge, volume_size[2] / patch_edge};
  }
};

/// How transformer blocks are computed.
enum class BlockForm {
  fused,
  /// Fused, and once more on the way back instead of being kept: less memory, more time.
  recomputed,
  /// ATen's modules: the tests' oracle.
  modules,
};

/// The switches of the preset table that act inside a step.
struct Behaviour {
  bool causal_text = false;
  bool tiled_text_mask = false;
  bool teacher_train_mode = false;
  bool features_train_mode = false;
  bool features_include_padding = false;
  bool sincos_decoder_positions = true;
  bool decoder_text_position = false;
  bool random_temporal_position = false;
  bool distillation_include_padding = false;
  bool mixup_real_spans = true;
  bool move_idle_parameters = false;
  /// Share of patches hidden from the encoder, in [0,1).
  double mask_ratio = 0.75;
  /// Probability that a residual branch is dropped for a sample in training.
  double drop_path = 0.1;
  BlockForm blocks = BlockForm::fused;
};

}  // namespace medcoss
