#include "support/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

namespace medcoss {
namespace {

constexpr size_t smallest = size_t{1} << 20;
constexpr size_t huge_page = size_t{2} << 20;

size_t rounded(size_t bytes) {
  const size_t step = bytes < 8 * huge_page ? huge_page / 8 : huge_page;
  return (bytes + step - 1) / step * step;
}

class Blocks {
 public:
  void* take(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t size = rounded(bytes);
    void* block = kept(size);
    if (block == nullptr) block = fresh(size);
    peak_ = std::max(peak_, used_);
    return block;
  }

  // False where the block is not from here.
  bool give(void* block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = sizes_.find(block);
    if (found == sizes_.end()) return false;
    const size_t size = found->second;
    sizes_.erase(found);
    used_ -= size;
    free_.emplace(size, block);
    free_bytes_ += size;
    return true;
  }

  void release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!free_.empty()) drop(free_.begin());
    peak_ = used_;
  }

 private:
  using Free = std::multimap<size_t, void*>;

  // The smallest block that fits, unless a quarter of it would be idle.
  void* kept(size_t size) {
    const auto found = free_.lower_bound(size);
    if (found == free_.end() || found->first > size + size / 4) return nullptr;
    void* block = found->second;
    sizes_.emplace(block, found->first);
    used_ += found->first;
    free_bytes_ -= found->first;
    free_.erase(found);
    return block;
  }

  void* fresh(size_t size) {
    while (!free_.empty() && used_ + free_bytes_ + size > peak_) drop(std::prev(free_.end()));
    void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    // Where the system has none, pages stay small.
    if (size >= huge_page) madvise(block, size, MADV_HUGEPAGE);
    sizes_.emplace(block, size);
    used_ += size;
    return block;
  }

  void drop(Free::iterator entry) {
    munmap(entry->second, entry->first);
    free_bytes_ -= entry->first;
    free_.erase(entry);
  }

  std::mutex mutex_;
  Free free_;
  std::unordered_map<void*, size_t> sizes_;
  size_t used_ = 0;
  size_t free_bytes_ = 0;
  size_t peak_ = 0;
};

// Never destroyed: tensors may outlive every static object.
Blocks& blocks() {
  static auto* all = new Blocks;
  return *all;
}

class TensorMemory : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < smallest) return c10::GetDefaultCPUAllocator()->allocate(bytes);
    void* block = blocks().take(bytes);
    return {block, block, give, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return give; }
  void copy_data(void* to, const void* from, size_t count) const override {
    std::memcpy(to, from, count);
  }

 private:
  static void give(void* block) {
    if (!blocks().give(block)) c10::GetDefaultCPUAllocator()->raw_deleter()(block);
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
  blocks().release();
}

}  // namespace medcoss
