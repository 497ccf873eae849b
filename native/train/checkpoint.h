// Weights in files: a whole network under its published names, or what is carried from stage to
// stage.
//
// Invariant: nothing of the network changes before every tensor of the file has been checked.
#pragma once

#include <string>

#include "model/network.h"
#include "train/trainer.h"

namespace medcoss {

/// `path` itself, or model.safetensors in that folder.
std::string model_file(const std::string& path);

void save_model(const Network& network, const std::string& file);

/// Every tensor of the network must be there. Throws E_NO_CHECKPOINT, E_CHECKPOINT_CORRUPT,
/// E_CHECKPOINT_SHAPE.
void load_model(const Network& network, const std::string& file);

/// Copies what the file has of encoder, embeddings and class token; a shape that differs is an
/// error.
void carry_over(const Network& network, const std::string& file);

/// Sets all parameters as `start` says.
void start_network(const Network& network, const Start& start, uint64_t seed, uint32_t stage);

/// Copies the parameters that both networks have.
void copy_parameters(const Network& from, const Network& to);

}  // namespace medcoss
