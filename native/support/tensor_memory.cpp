#include "support/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <unordered_map>
#include <utility>

namespace medcoss {
namespace {

constexpr size_t smallest = size_t{1} << 20;
constexpr size_t unit = size_t{64} << 10;
constexpr size_t huge_page = size_t{2} << 20;
// Large, so that few pieces are left over at the ends of segments; what was never used takes no
// memory.
constexpr size_t segment_size = size_t{512} << 20;

#if defined(__SANITIZE_ADDRESS__)
// Behind every piece, so that what is written there is noticed.
constexpr size_t margin = unit;
void forbid(void* memory, size_t bytes) {
  __asan_poison_memory_region(memory, bytes);
}
void allow(void* memory, size_t bytes) {
  __asan_unpoison_memory_region(memory, bytes);
}
#else
constexpr size_t margin = 0;
void forbid(void*, size_t) {}
void allow(void*, size_t) {}
#endif

size_t rounded(size_t bytes, size_t step) {
  return (bytes + step - 1) / step * step;
}

// Segments of the system's memory, cut into pieces. The smallest piece that fits is taken, of equal
// ones the first in memory.
class Pieces {
 public:
  void* take(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t size = rounded(bytes + margin, unit);
    auto found = by_size_.lower_bound({size, nullptr});
    if (found == by_size_.end()) found = grow(size);
    const auto [free_size, piece] = *found;
    remove(free_size, piece);
    if (free_size > size) add(piece + size, free_size - size);
    used_.emplace(piece, size);
    allow(piece, bytes);
    return piece;
  }

  // False where the memory is not from here.
  bool give(void* memory) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = used_.find(static_cast<char*>(memory));
    if (found == used_.end()) return false;
    char* piece = found->first;
    size_t size = found->second;
    used_.erase(found);
    forbid(piece, size);
    const auto after = free_.find(piece + size);
    if (after != free_.end() && segments_.count(piece + size) == 0) {
      size += after->second;
      remove(after->second, after->first);
    }
    auto before = free_.lower_bound(piece);
    if (before != free_.begin() && segments_.count(piece) == 0) {
      --before;
      if (before->first + before->second == piece) {
        piece = before->first;
        size += before->second;
        remove(before->second, before->first);
      }
    }
    add(piece, size);
    return true;
  }

  void release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto segment = segments_.begin(); segment != segments_.end();) {
      const auto [start, size] = *segment;
      const auto found = free_.find(start);
      if (found == free_.end() || found->second != size) {
        ++segment;
        continue;
      }
      remove(size, start);
      allow(start, size);
      munmap(start, size);
      segment = segments_.erase(segment);
    }
    for (const auto& [piece, size] : free_) madvise(piece, size, MADV_DONTNEED);
  }

 private:
  using BySize = std::set<std::pair<size_t, char*>>;

  BySize::iterator grow(size_t size) {
    size_t bytes = rounded(std::max(size, segment_size), huge_page);
    char* segment = mapped(bytes);
    // Where address space is short.
    if (segment == nullptr) segment = mapped(bytes = rounded(size, huge_page));
    if (segment == nullptr) throw std::bad_alloc();
    segments_.emplace(segment, bytes);
    forbid(segment, bytes);
    return add(segment, bytes);
  }

  static char* mapped(size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    // Where the system has none, pages stay small.
    madvise(memory, bytes, MADV_HUGEPAGE);
    return static_cast<char*>(memory);
  }

  BySize::iterator add(char* piece, size_t size) {
    free_.emplace(piece, size);
    return by_size_.emplace(size, piece).first;
  }

  void remove(size_t size, char* piece) {
    free_.erase(piece);
    by_size_.erase({size, piece});
  }

  std::mutex mutex_;
  std::map<char*, size_t> segments_;
  std::map<char*, size_t> free_;
  BySize by_size_;
  std::unordered_map<char*, size_t> used_;
};

// Never destroyed: tensors may outlive every static object.
Pieces& pieces() {
  static auto* all = new Pieces;
  return *all;
}

class TensorMemory : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < smallest) return c10::GetDefaultCPUAllocator()->allocate(bytes);
    void* memory = pieces().take(bytes);
    return {memory, memory, give, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return give; }
  void copy_data(void* to, const void* from, size_t count) const override {
    std::memcpy(to, from, count);
  }

 private:
  static void give(void* memory) {
    if (!pieces().give(memory)) c10::GetDefaultCPUAllocator()->raw_deleter()(memory);
  }
};

}  // namespace

void keep_tensor_memory() {
  static const bool set = [] {
    constexpr uint8_t above_default = 1;
    c10::SetCPUAllocator(new TensorMemory, above_default);
    return true;
  }();
  static_cast<void>(set);
}

void release_tensor_memory() {
  pieces().release();
}

}  // namespace medcoss
