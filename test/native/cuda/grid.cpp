#include "grid.h"

#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace grid {
namespace {

constexpr size_t stack_bytes = 1 << 16;
constexpr size_t chunk_bytes = 16;

struct Copy {
  void* to;
  const void* from;
};

struct Thread {
  std::unique_ptr<char[]> stack{new char[stack_bytes]};
  ucontext_t start;
  jmp_buf place;
  bool begun, done, waiting;
  std::deque<std::vector<Copy>> copies;
};

// Threads that act together: warps, and groups of four.
struct Group {
  std::vector<void*> brought;
  int arrived;
  int64_t round;
};

std::vector<Thread> threads;
std::map<std::pair<int, size_t>, Group> groups;
std::vector<unsigned char> shared;
const std::function<void()>* body;
jmp_buf scheduler;
size_t current, running;
int64_t arrived, round_of_block, progress;

void leave() {
  if (_setjmp(threads[current].place) == 0) _longjmp(scheduler, 1);
}

void enter() {
  (*body)();
  threads[current].done = true;
  --running;
  ++progress;
  _longjmp(scheduler, 1);
}

void resume(size_t number) {
  current = number;
  threadIdx.x = static_cast<unsigned>(number);
  Thread& thread = threads[number];
  if (_setjmp(scheduler) != 0) return;
  if (thread.begun) _longjmp(thread.place, 1);
  thread.begun = true;
  setcontext(&thread.start);
}

void prepare(Thread& thread) {
  thread.begun = thread.done = false;
  thread.copies.assign(1, {});
  getcontext(&thread.start);
  thread.start.uc_stack.ss_sp = thread.stack.get();
  thread.start.uc_stack.ss_size = stack_bytes;
  thread.start.uc_link = nullptr;
  makecontext(&thread.start, enter, 0);
}

// Something has moved on whenever a round ends; a whole turn without one is a deadlock.
void run_block() {
  running = threads.size();
  arrived = 0;
  for (Thread& thread : threads) prepare(thread);
  groups.clear();
  int turns = 0;
  while (running > 0) {
    const int64_t before = progress;
    for (size_t i = 0; i < threads.size(); ++i) {
      if (!threads[i].done) resume(i);
    }
    turns = progress > before ? 0 : turns + 1;
    if (turns > 2) {
      std::fprintf(stderr, "threads wait for others that never come\n");
      std::exit(1);
    }
  }
}

}  // namespace

void run(dim3 blocks, int count, int shared_bytes, const std::function<void()>& thread) {
  threads.resize(static_cast<size_t>(count));
  body = &thread;
  gridDim = blocks;
  blockDim = dim3(static_cast<unsigned>(count));
  for (unsigned y = 0; y < blocks.y; ++y) {
    for (unsigned x = 0; x < blocks.x; ++x) {
      blockIdx = dim3(x, y);
      // What another block has left there must not matter.
      shared.assign(static_cast<size_t>(shared_bytes) + chunk_bytes, 0x7f);
      run_block();
    }
  }
}

void wait_for_block() {
  const int64_t round = round_of_block;
  ++arrived;
  while (round_of_block == round) {
    if (arrived >= static_cast<int64_t>(running)) {
      arrived = 0;
      ++round_of_block;
      ++progress;
      return;
    }
    leave();
  }
}

void with_group(void* brought, int size, Act act) {
  const auto threads_of_group = static_cast<size_t>(size);
  Group& group = groups[{size, current / threads_of_group}];
  group.brought.resize(threads_of_group);
  group.brought[current % threads_of_group] = brought;
  if (++group.arrived == size) {
    act(group.brought.data());
    group.arrived = 0;
    ++group.round;
    ++progress;
    return;
  }
  for (const int64_t round = group.round; group.round == round;) leave();
}

void give_way() {
  leave();
}

void note_progress() {
  ++progress;
}

unsigned char* shared_memory() {
  const auto address = reinterpret_cast<uintptr_t>(shared.data());
  return shared.data() + (chunk_bytes - address % chunk_bytes) % chunk_bytes;
}

void start_copy(void* to, const void* from) {
  threads[current].copies.back().push_back({to, from});
}

void commit_copies() {
  threads[current].copies.emplace_back();
}

void wait_for_copies(int pending) {
  auto& groups = threads[current].copies;
  while (groups.size() > static_cast<size_t>(pending) + 1) {
    for (const Copy& copy : groups.front()) std::memcpy(copy.to, copy.from, chunk_bytes);
    groups.pop_front();
  }
}

}  // namespace grid
