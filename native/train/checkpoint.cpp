#include "train/checkpoint.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "support/error.h"
#include "support/safetensors.h"
#include "train/initial_weights.h"

namespace medcoss {
namespace {

bool is_carried(const std::string& name) {
  constexpr std::array parts{"fused_encoder", "token_embed", "cls_token", "video_embed"};
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return name.find(part) != std::string::npos; });
}

void read_all(const SafetensorsReader& file, const ParameterList& parameters) {
  for (const Parameter& parameter : parameters)
    file.check(parameter.name, parameter.tensor.sizes());
  for (const Parameter& parameter : parameters) file.read(parameter.name, parameter.tensor);
}

}  // namespace

std::string model_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return path;
  return (std::filesystem::path(path) / "model.safetensors").string();
}

void save_model(const Network& network, const std::string& file) {
  NamedTensors tensors;
  for (const Parameter& parameter : network.parameters()) {
    tensors.emplace_back(parameter.name, parameter.tensor);
  }
  write_safetensors(file, tensors);
}

void load_model(const Network& network, const std::string& file) {
  read_all(SafetensorsReader(file), network.parameters());
}

void carry_over(const Network& network, const std::string& path) {
  const SafetensorsReader file(path);
  ParameterList carried;
  for (const Parameter& parameter : network.parameters()) {
    if (is_carried(parameter.name) && file.has(parameter.name)) carried.push_back(parameter);
  }
  if (carried.empty()) {
    throw Error("E_CHECKPOINT_SHAPE", {{"path", path}, {"problem", "it has no encoder"}});
  }
  read_all(file, carried);
}

void start_network(const Network& network, const Start& start, uint64_t seed, uint32_t stage) {
  if (start.kind == Start::Kind::formula) return fill_by_formula(network, start.formula_seed);
  const bool whole = start.kind == Start::Kind::file && !start.carry_over;
  if (whole) return load_model(network, model_file(start.path));
  draw_initial_weights(network, seed, stage);
  if (start.kind == Start::Kind::file) carry_over(network, model_file(start.path));
}

void copy_parameters(const Network& from, const Network& to) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> source;
  for (const Parameter& parameter : from.parameters()) source[parameter.name] = parameter.tensor;
  for (const Parameter& parameter : to.parameters())
    parameter.tensor.copy_(source.at(parameter.name));
}

}  // namespace medcoss
