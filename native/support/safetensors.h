// Reading and writing safetensors files of float32 tensors.
//
// Invariant: every size a file claims is checked against the file before memory is taken; a written
// file holds nothing but names, shapes and values, and is on disk when `write_safetensors` returns.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace medcoss {

struct TensorEntry {
  std::string dtype;
  std::vector<int64_t> shape;
  int64_t begin = 0;  // bytes from the start of the data section
  int64_t end = 0;
};

/// Entries of a header; `data_bytes` is what follows it. Throws std::invalid_argument naming the
/// problem.
std::map<std::string, TensorEntry> parse_safetensors_header(const std::string& json,
                                                            int64_t data_bytes);

/// Tensors of a file, read one at a time.
class SafetensorsReader {
 public:
  /// Throws E_NO_CHECKPOINT where there is no file, E_PYTORCH_FILE for one of PyTorch's,
  /// E_CHECKPOINT_CORRUPT where it is damaged.
  explicit SafetensorsReader(std::string path);
  ~SafetensorsReader();
  SafetensorsReader(const SafetensorsReader&) = delete;
  SafetensorsReader& operator=(const SafetensorsReader&) = delete;

  const std::string& path() const { return path_; }
  const std::map<std::string, TensorEntry>& entries() const { return entries_; }
  bool has(const std::string& name) const { return entries_.count(name) > 0; }
  /// Throws E_CHECKPOINT_SHAPE where the tensor is missing or is no float32 of this shape.
  void check(const std::string& name, at::IntArrayRef shape) const;
  /// Reads into a contiguous float32 tensor of the same shape, on any device.
  void read(const std::string& name, const at::Tensor& into) const;

 private:
  [[noreturn]] void corrupt(const std::string& problem) const;
  void read_header();
  void read_bytes(void* into, int64_t count, int64_t offset) const;

  std::string path_;
  int file_ = -1;
  int64_t data_start_ = 0;
  std::map<std::string, TensorEntry> entries_;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Writes contiguous float32 tensors of any device in the order given. Throws E_DISK_FULL or
/// E_WRITE.
void write_safetensors(const std::string& path, const NamedTensors& tensors);

}  // namespace medcoss
