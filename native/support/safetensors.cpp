#include "support/safetensors.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "support/error.h"

namespace medcoss {
namespace {

constexpr int64_t header_limit = 64 << 20;
// First bytes of PyTorch's zip form and of the one before it; as the length of a header both are
// over the limit.
constexpr uint32_t pytorch_zip = 0x04034b50;
constexpr uint32_t pytorch_legacy = 0x0a8a0280;
// Linux moves at most about 2 GiB in one call.
constexpr int64_t chunk_limit = 1 << 30;

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

[[noreturn]] void write_failed(const std::string& path, int error) {
  if (error == ENOSPC || error == EDQUOT) throw Error("E_DISK_FULL", {{"path", path}});
  throw Error("E_WRITE", {{"path", path}, {"problem", std::strerror(error)}});
}

// An open file that is closed in every case.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path)
      : path_(path), file_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    if (file_ < 0) write_failed(path_, errno);
  }
  ~OutputFile() {
    if (file_ >= 0) close(file_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, int64_t count) {
    const auto* bytes = static_cast<const char*>(data);
    while (count > 0) {
      const auto size = static_cast<size_t>(std::min(count, chunk_limit));
      const ssize_t done = ::write(file_, bytes, size);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) write_failed(path_, done < 0 ? errno : ENOSPC);
      bytes += done;
      count -= done;
    }
  }

  void finish() {
    if (fsync(file_) != 0) write_failed(path_, errno);
    const int closing = std::exchange(file_, -1);
    if (close(closing) != 0) write_failed(path_, errno);
  }

 private:
  std::string path_;
  int file_;
};

std::string header_of(const NamedTensors& tensors) {
  std::ostringstream json;
  json << R"({"__metadata__":{"format":"pt"})";
  int64_t position = 0;
  for (const auto& [name, tensor] : tensors) {
    json << ",\"" << name << R"(":{"dtype":"F32","shape":[)";
    for (int64_t i = 0; i < tensor.dim(); ++i) json << (i ? "," : "") << tensor.size(i);
    const int64_t end = position + tensor.numel() * static_cast<int64_t>(sizeof(float));
    json << R"(],"data_offsets":[)" << position << ',' << end << "]}";
    position = end;
  }
  json << '}';
  std::string text = json.str();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

SafetensorsReader::SafetensorsReader(std::string path) : path_(std::move(path)) {
  file_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) throw Error("E_NO_CHECKPOINT", {{"path", path_}});
  try {
    read_header();
  } catch (...) {
    close(file_);
    throw;
  }
}

SafetensorsReader::~SafetensorsReader() {
  close(file_);
}

void SafetensorsReader::corrupt(const std::string& problem) const {
  throw Error("E_CHECKPOINT_CORRUPT", {{"path", path_}, {"problem", problem}});
}

void SafetensorsReader::read_header() {
  struct stat status {};
  if (fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) corrupt("it is not a file");
  uint64_t length = 0;
  if (status.st_size < static_cast<off_t>(sizeof(length))) corrupt("it is too short");
  read_bytes(&length, sizeof(length), 0);
  const int64_t rest = status.st_size - static_cast<int64_t>(sizeof(length));
  if (length > static_cast<uint64_t>(std::min(rest, header_limit))) {
    const auto head = static_cast<uint32_t>(length);
    if (head == pytorch_zip || head == pytorch_legacy) {
      throw Error("E_PYTORCH_FILE", {{"path", path_}});
    }
    corrupt("its header claims " + std::to_string(length) + " bytes");
  }
  std::string json(length, ' ');
  read_bytes(json.data(), static_cast<int64_t>(length), sizeof(length));
  data_start_ = static_cast<int64_t>(sizeof(length) + length);
  try {
    entries_ = parse_safetensors_header(json, status.st_size - data_start_);
  } catch (const std::invalid_argument& problem) {
    corrupt(problem.what());
  }
}

void SafetensorsReader::read_bytes(void* into, int64_t count, int64_t offset) const {
  auto* bytes = static_cast<char*>(into);
  while (count > 0) {
    const ssize_t done =
        pread(file_, bytes, static_cast<size_t>(std::min(count, chunk_limit)), offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) corrupt(done < 0 ? std::strerror(errno) : "it ends early");
    bytes += done;
    count -= done;
    offset += done;
  }
}

void SafetensorsReader::check(const std::string& name, at::IntArrayRef shape) const {
  const auto found = entries_.find(name);
  std::string problem;
  if (found == entries_.end()) {
    problem = "it has no tensor " + name;
  } else if (at::IntArrayRef(found->second.shape) != shape) {
    problem = name + " is " + shape_text(found->second.shape) + ", expected " + shape_text(shape);
  } else if (found->second.dtype != "F32") {
    problem = name + " is " + found->second.dtype + ", expected F32";
  }
  if (!problem.empty()) throw Error("E_CHECKPOINT_SHAPE", {{"path", path_}, {"problem", problem}});
}

void SafetensorsReader::read(const std::string& name, const at::Tensor& into) const {
  check(name, into.sizes());
  const TensorEntry& entry = entries_.at(name);
  const at::Tensor host = into.is_cpu() ? into : at::empty(into.sizes(), at::kFloat);
  read_bytes(host.data_ptr<float>(), entry.end - entry.begin, data_start_ + entry.begin);
  if (into.is_cpu()) return;
  const at::NoGradGuard no_grad;
  into.copy_(host);
}

void write_safetensors(const std::string& path, const NamedTensors& tensors) {
  OutputFile file(path);
  const std::string header = header_of(tensors);
  const uint64_t length = header.size();
  file.write(&length, sizeof(length));
  file.write(header.data(), static_cast<int64_t>(header.size()));
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor host = tensor.cpu();
    file.write(host.data_ptr<float>(), host.numel() * static_cast<int64_t>(sizeof(float)));
  }
  file.finish();
}

}  // namespace medcoss
