#include <cuda_runtime.h>
#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

// Where static variables are; from the linker.
extern char __data_start, _end;

namespace simt {
namespace {

constexpr int warp = 32;
constexpr int four_warps = 4 * warp;
// Turns in which threads only look whether they may go on.
constexpr int most_idle_turns = 1000;
constexpr size_t stack_bytes = 128 << 10;

enum class State { ready, at_barrier, at_shuffle, at_group, finished };

// Contexts start a thread; from then on jumps switch, which, unlike contexts, call no kernel.
struct Fiber {
  ucontext_t context;
  jmp_buf point;
  State state;
  bool entered;
  // Two, since a lane may reach its next shuffle before others have read this one.
  uint64_t words[2];
  unsigned shuffles;
  void* brought;
};

[[noreturn]] void fail(const char* problem) {
  std::fprintf(stderr, "block (%u, %u), thread %u: %s\n", blockIdx.x, blockIdx.y, threadIdx.x,
               problem);
  std::exit(3);
}

std::vector<Fiber> fibers;
std::vector<std::unique_ptr<char[]>> stacks;
jmp_buf scheduler;
const std::function<void()>* body;

void pause(State state) {
  Fiber& fiber = fibers[threadIdx.x];
  fiber.state = state;
  if (_setjmp(fiber.point) == 0) _longjmp(scheduler, 1);
}

void enter() {
  (*body)();
  pause(State::finished);
}

// On a frame of its own, so that no local changes between the two jumps.
__attribute__((noinline)) void resume(size_t thread) {
  Fiber& fiber = fibers[thread];
  threadIdx.x = static_cast<unsigned>(thread);
  if (_setjmp(scheduler) != 0) return;
  if (fiber.entered) _longjmp(fiber.point, 1);
  fiber.entered = true;
  setcontext(&fiber.context);
}

void start(size_t thread) {
  Fiber& fiber = fibers[thread];
  fiber.state = State::ready;
  fiber.entered = false;
  fiber.shuffles = 0;
  fiber.context.uc_stack.ss_sp = stacks[thread].get();
  fiber.context.uc_stack.ss_size = stack_bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
}

// Lets the threads of [begin, end) go on once all of them are at the same place.
bool release(size_t begin, size_t end, State place, const char* problem) {
  size_t there = 0;
  size_t gone = 0;
  for (size_t i = begin; i < end; ++i) {
    there += fibers[i].state == place;
    gone += fibers[i].state == State::finished;
  }
  if (there > 0 && gone > 0) fail(problem);
  if (there < end - begin) return false;
  for (size_t i = begin; i < end; ++i) fibers[i].state = State::ready;
  return true;
}

bool release_all() {
  bool any = release(0, fibers.size(), State::at_barrier, "ended before a barrier of its block");
  for (size_t i = 0; i < fibers.size(); i += warp) {
    any |= release(i, std::min(fibers.size(), i + warp), State::at_shuffle,
                   "ended before a shuffle of its warp");
  }
  for (size_t i = 0; i + four_warps <= fibers.size(); i += four_warps) {
    any |= release(i, i + four_warps, State::at_group, "ended before an act of its four warps");
  }
  return any;
}

bool any_looks() {
  return std::any_of(fibers.begin(), fibers.end(),
                     [](const Fiber& f) { return f.state == State::ready; });
}

// The first thread of a group is the first to go on.
void act_together(void* brought, int size, State place, Act act) {
  fibers[threadIdx.x].brought = brought;
  pause(place);
  if (threadIdx.x % static_cast<unsigned>(size) != 0) return;
  std::vector<void*> all;
  for (unsigned i = 0; i < static_cast<unsigned>(size); ++i) {
    all.push_back(fibers[threadIdx.x + i].brought);
  }
  act(all.data());
}

void run_block() {
  for (size_t i = 0; i < fibers.size(); ++i) start(i);
  for (int idle = 0;; ++idle) {
    for (size_t i = 0; i < fibers.size(); ++i) {
      if (fibers[i].state == State::ready) resume(i);
    }
    const bool done = std::all_of(fibers.begin(), fibers.end(),
                                  [](const Fiber& f) { return f.state == State::finished; });
    if (done) return;
    if (release_all())
      idle = 0;
    else if (idle > most_idle_turns || !any_looks())
      fail("waits where others do not come");
  }
}

}  // namespace

void require_global(const void* address) {
  const auto* place = static_cast<const char*>(address);
  if (place >= &__data_start && place < &_end) fail("stores to shared memory as if it were global");
}

int lane() {
  return static_cast<int>(threadIdx.x % warp);
}

void with_warp(void* brought, Act act) {
  act_together(brought, warp, State::at_shuffle, act);
}

void with_four_warps(void* brought, Act act) {
  act_together(brought, four_warps, State::at_group, act);
}

void give_way() {
  pause(State::ready);
}

void wait_for_block() {
  pause(State::at_barrier);
}

uint64_t exchange(uint64_t value, int from) {
  Fiber& fiber = fibers[threadIdx.x];
  const unsigned slot = fiber.shuffles++ % 2;
  fiber.words[slot] = value;
  pause(State::at_shuffle);
  return fibers[threadIdx.x / warp * warp + static_cast<unsigned>(from)].words[slot];
}

void run(dim3 grid, int threads, const std::function<void()>& thread) {
  if (threads % warp != 0 || threads > 1024 || grid.x == 0 || grid.y == 0 || grid.y > 65535 ||
      grid.z != 1) {
    fail("a launch that no device accepts");
  }
  fibers.resize(static_cast<size_t>(threads));
  for (Fiber& fiber : fibers) getcontext(&fiber.context);
  while (stacks.size() < fibers.size()) stacks.push_back(std::make_unique<char[]>(stack_bytes));
  body = &thread;
  gridDim = grid;
  blockDim = dim3(static_cast<unsigned>(threads));
  for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
    for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) run_block();
  }
}

}  // namespace simt
