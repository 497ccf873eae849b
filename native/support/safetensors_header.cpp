// The JSON header of a safetensors file: an object of {dtype, shape, data_offsets} and one optional
// object of strings.
#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "support/safetensors.h"

namespace medcoss {
namespace {

[[noreturn]] void bad(const std::string& problem) {
  throw std::invalid_argument(problem);
}

// Reads the few JSON forms that a header may hold; anything else is an error.
class HeaderParser {
 public:
  explicit HeaderParser(const std::string& text) : text_(text) {}

  std::map<std::string, TensorEntry> parse() {
    std::map<std::string, TensorEntry> entries;
    object([&](const std::string& name) {
      if (name == "__metadata__") return metadata();
      if (!entries.emplace(name, entry()).second) bad("tensor " + name + " appears twice");
    });
    skip_space();
    if (at_ != text_.size()) bad("text after the header's object");
    return entries;
  }

 private:
  template <typename Member>
  void object(const Member& member) {
    list('{', '}', [&] {
      const std::string name = string();
      expect(':');
      member(name);
    });
  }

  template <typename Item>
  void list(char open, char close, const Item& item) {
    expect(open);
    if (accept(close)) return;
    do item();
    while (accept(','));
    expect(close);
  }

  void metadata() {
    object([&](const std::string&) { string(); });
  }

  TensorEntry entry() {
    TensorEntry result;
    std::vector<int64_t> offsets;
    object([&](const std::string& field) {
      if (field == "dtype")
        result.dtype = string();
      else if (field == "shape")
        result.shape = integers();
      else if (field == "data_offsets")
        offsets = integers();
      else
        bad("unknown field " + field);
    });
    if (offsets.size() != 2 || result.dtype.empty()) bad("an entry lacks dtype or data_offsets");
    result.begin = offsets[0];
    result.end = offsets[1];
    return result;
  }

  std::vector<int64_t> integers() {
    std::vector<int64_t> values;
    list('[', ']', [&] { values.push_back(integer()); });
    return values;
  }

  int64_t integer() {
    skip_space();
    int64_t value = 0;
    const size_t start = at_;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      if (at_ - start >= 18) bad("a number is too large");
      value = value * 10 + (text_[at_++] - '0');
    }
    if (at_ == start) bad("a number was expected");
    return value;
  }

  std::string string() {
    expect('"');
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && ++at_ < text_.size() && text_[at_] == 'u') bad("an escaped name");
      if (at_ < text_.size()) value += text_[at_++];
    }
    if (at_ >= text_.size()) bad("a string does not end");
    ++at_;
    return value;
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(std::string("'") + c + "' was expected in the header");
  }

  const std::string& text_;
  size_t at_ = 0;
};

int64_t bytes_of(const std::string& dtype) {
  static const std::map<std::string, int64_t> sizes{{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2},
                                                    {"I64", 8}, {"I32", 4}, {"I16", 2}, {"I8", 1},
                                                    {"U8", 1},  {"BOOL", 1}};
  const auto found = sizes.find(dtype);
  if (found == sizes.end()) bad("unknown dtype " + dtype);
  return found->second;
}

void check_size(const std::string& name, const TensorEntry& entry) {
  int64_t bytes = bytes_of(entry.dtype);
  for (const int64_t n : entry.shape) {
    if (__builtin_mul_overflow(bytes, n, &bytes)) bad("the shape of " + name + " is too large");
  }
  if (entry.end - entry.begin != bytes) bad("the size of " + name + " does not match its shape");
}

}  // namespace

std::map<std::string, TensorEntry> parse_safetensors_header(const std::string& json,
                                                            int64_t data_bytes) {
  auto entries = HeaderParser(json).parse();
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (const auto& [name, entry] : entries) {
    check_size(name, entry);
    ranges.emplace_back(entry.begin, entry.end);
  }
  std::sort(ranges.begin(), ranges.end());
  int64_t position = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != position) bad("tensors overlap or leave gaps");
    position = end;
  }
  if (position != data_bytes) {
    bad("it holds " + std::to_string(data_bytes) + " bytes of data, expected " +
        std::to_string(position));
  }
  return entries;
}

}  // namespace medcoss
