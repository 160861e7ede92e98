//===- Emulator.cpp - Runs kernels on a CPU --------------------------------===//

#include "Emulator.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

using namespace bigmac::test;

namespace {

constexpr uint32_t warpSize = 32;
constexpr size_t stackBytes = 128 << 10;
constexpr uint32_t mostThreads = 1024;

/// Threads of a block that have to meet, and what lanes of a warp hold out to each other. A thread
/// is at most one meeting ahead of another: two sets of slots are enough.
struct Meeting {
  uint32_t members = 0, arrived = 0;
  uint64_t round = 0;
  int32_t values[2][warpSize];
};

class Block {
public:
  Block(PackedKernel kernel, void **arguments, uint32_t number, uint32_t threads)
      : number(number), kernel(kernel), arguments(arguments), fibers(threads),
        warps((threads + warpSize - 1) / warpSize) {
    all.members = threads;
    for (uint32_t i = 0; i < threads; ++i)
      ++warps[i / warpSize].members;
  }

  void run() {
    static char *stacks =
        static_cast<char *>(mmap(nullptr, stackBytes * mostThreads, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    const auto threads = static_cast<uint32_t>(fibers.size());
    if (stacks == MAP_FAILED || threads > mostThreads)
      fail("has too many threads");
    for (uint32_t i = 0; i < threads; ++i) {
      ucontext_t &context = fibers[i].context;
      getcontext(&context);
      context.uc_stack = {stacks + i * stackBytes, 0, stackBytes};
      context.uc_link = &scheduler;
      makecontext(&context, enter, 0);
    }
    for (uint32_t left = threads; left > 0;) {
      bool moved = false;
      for (uint32_t i = 0; i < threads; ++i) {
        current = number % 2 ? threads - 1 - i : i;
        Fiber &fiber = fibers[current];
        if (fiber.done || (fiber.meeting && fiber.meeting->round == fiber.round))
          continue;
        moved = true;
        swapcontext(&scheduler, &fiber.context);
        left -= fiber.done;
      }
      if (!moved)
        fail("has threads that wait for others, which never come");
    }
  }

  /// Returns the number of the round that ends here.
  uint64_t meet(Meeting &meeting) {
    const uint64_t round = meeting.round;
    if (++meeting.arrived == meeting.members) {
      meeting.arrived = 0;
      ++meeting.round;
      return round;
    }
    Fiber &fiber = fibers[current];
    fiber.meeting = &meeting;
    fiber.round = round;
    swapcontext(&fiber.context, &scheduler);
    fiber.meeting = nullptr;
    return round;
  }

  int32_t shuffle(int32_t value, uint32_t lanes) {
    Meeting &warp = warps[current / warpSize];
    const uint32_t lane = current % warpSize, other = lane ^ lanes;
    if (other >= warp.members)
      fail("shuffles with a lane that does not exist");
    warp.values[warp.round % 2][lane] = value;
    return warp.values[meet(warp) % 2][other];
  }

  [[noreturn]] void fail(const char *what) {
    std::fprintf(stderr, "emulated block %u of %zu threads %s\n", number, fibers.size(), what);
    std::abort();
  }

  static Block *running;
  const uint32_t number;
  /// The thread that runs.
  uint32_t current = 0;
  /// Of all threads.
  Meeting all;

private:
  struct Fiber {
    ucontext_t context;
    bool done = false;
    /// What the fiber waits for, and the round that it waits to end.
    Meeting *meeting = nullptr;
    uint64_t round = 0;
  };

  static void enter() {
    running->kernel(running->arguments);
    running->fibers[running->current].done = true;
  }

  PackedKernel kernel;
  void **arguments;
  std::vector<Fiber> fibers;
  std::vector<Meeting> warps;
  ucontext_t scheduler;
};

Block *Block::running = nullptr;

} // namespace

void bigmac::test::runGrid(PackedKernel kernel, void **arguments, uint32_t blocks,
                           uint32_t threads) {
  for (uint32_t number = 0; number < blocks; ++number) {
    auto block = std::make_unique<Block>(kernel, arguments, number, threads);
    Block::running = block.get();
    block->run();
  }
  Block::running = nullptr;
}

extern "C" int32_t bm_emulated_thread(void) {
  return static_cast<int32_t>(Block::running->current);
}
extern "C" int32_t bm_emulated_block(void) { return static_cast<int32_t>(Block::running->number); }
extern "C" void bm_emulated_barrier(void) { Block::running->meet(Block::running->all); }
extern "C" int32_t bm_emulated_shuffle_xor(int32_t value, int32_t lanes) {
  return Block::running->shuffle(value, static_cast<uint32_t>(lanes));
}
