//===- KernelShape.cpp - How threads share rows ----------------------------===//

#include "KernelShape.h"

#include <algorithm>
#include <bit>

using namespace bigmac::cuda;

/// Rows that a thread should sum at least.
static constexpr int64_t leastRowsSummed = 4;
/// Rows that a thread takes at a time where they are only summed, if there are so many rounds.
static constexpr int64_t rowsOfRound = 4;
static constexpr int64_t leastRounds = 2;

static constexpr int64_t registersOfMultiprocessor = 64 * 1024;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Threads for so many vectors of a row: whole warps, or a part of one that divides it.
static int64_t threadsFor(int64_t vectors) {
  return vectors > 32 ? ceilDiv(vectors, 32) * 32
                      : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(vectors)));
}

/// Registers of a thread of a kernel that sums over rows: for the sums, what rows share, the row at
/// hand and the next ones, which are loaded meanwhile.
static int64_t registersOf(const KernelShape &shape, const KernelNeeds &needs) {
  const int64_t elements = shape.vector * shape.vectorsPerThread;
  const int64_t loaded = (1 + shape.rowsPerThread) * needs.loadedBytes;
  return 28 + elements * needs.sums + elements * (loaded + needs.sharedBytes) / 4;
}

/// Blocks of such a kernel on a multiprocessor: as many as have registers. A register or two that
/// do not fit cost less than a block.
static int64_t blocksWithRegisters(const KernelShape &shape, const KernelNeeds &needs) {
  return std::clamp<int64_t>(registersOfMultiprocessor /
                                 (shape.threads() * registersOf(shape, needs)),
                             1, std::max<int64_t>(1, 2048 / shape.threads()));
}

/// Half as many threads for a long row, where those that there are have just the registers that
/// they need for two blocks, and they will have some to spare.
static void widenThreads(KernelShape &shape, const KernelNeeds &needs, int64_t vectors) {
  constexpr int64_t longRow = 512, registersOfBlock = registersOfMultiprocessor / 2;
  KernelShape wider = shape;
  wider.vectorsPerThread *= 2;
  wider.threadsPerRow = threadsFor(ceilDiv(vectors, wider.vectorsPerThread));
  if (shape.threadsPerRow >= longRow &&
      shape.threadsPerRow * registersOf(shape, needs) >= registersOfBlock &&
      wider.threadsPerRow * registersOf(wider, needs) < registersOfBlock)
    shape = wider;
}

/// Where a row in f32 leaves a multiprocessor no registers for another block, the row as it is in
/// memory may: as many threads as hold it so, with two blocks.
static void packLongRows(KernelShape &shape, const KernelNeeds &needs, int64_t vectors) {
  constexpr int64_t forArithmetic = 30, registersOfBlock = registersOfMultiprocessor / 2;
  const int64_t asFloats = 16 + shape.vectorsPerThread * shape.vector * needs.wideValues;
  if (shape.streamed || !needs.reduces || needs.widestBytes != 2 || needs.narrowestBytes != 2 ||
      shape.vector % 2 != 0 || shape.threads() * asFloats <= registersOfBlock)
    return;
  const int64_t perVector = shape.vector / 2 * needs.wideValues;
  for (int64_t threads = 512; threads <= 1024; threads += 32) {
    const int64_t each = ceilDiv(vectors, threads);
    if (threads * (forArithmetic + each * perVector) > registersOfBlock)
      continue;
    shape.packed = true;
    shape.threadsPerRow = threads;
    shape.vectorsPerThread = each;
    shape.blocksPerMultiprocessor = 2;
    return;
  }
}

/// Sums over rows that need nothing else of the row: a block takes some columns of many rows, so
/// that it has few sums to write for what it reads.
static void partRows(KernelShape &shape, const KernelNeeds &needs, int64_t vectors) {
  constexpr int64_t threadsOfPart = 32, threads = 256;
  if (vectors <= threadsOfPart)
    return;
  shape.vectorsPerThread = 1;
  shape.threadsPerRow = threadsOfPart;
  shape.parts = ceilDiv(vectors, threadsOfPart);
  shape.rowsPerBlock =
      std::min(threads / threadsOfPart,
               static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(needs.rows))));
}

KernelShape bigmac::cuda::shapeFor(const KernelNeeds &needs) {
  KernelShape shape;
  // 16 bytes of the narrowest type an access, if rows are aligned to that: their length decides.
  shape.vector = std::max<int64_t>(1, 16 / needs.narrowestBytes);
  // A vector of a wider type becomes several accesses; more than two cost registers for nothing.
  shape.vector = std::min(shape.vector, std::max<int64_t>(1, 32 / needs.widestBytes));
  while (needs.columns % shape.vector != 0)
    shape.vector /= 2;
  int64_t vectors = needs.columns / shape.vector;

  // As few threads a row as hold it in registers, but a block's worth where there is work for them:
  // loads in flight hide latency. More than 1024 threads a row do not exist: longer rows are read
  // again by each pass over them.
  shape.vectorsPerThread = ceilDiv(vectors, 256);
  auto tooMany = [&] {
    int64_t registers = 16 + shape.vectorsPerThread * shape.vector * needs.wideValues;
    int64_t limit = needs.accumulates
                        ? 48
                        : std::min<int64_t>(
                              64, 48 * 1024 / threadsFor(ceilDiv(vectors, shape.vectorsPerThread)));
    return shape.vectorsPerThread > 1 && registers > limit;
  };
  while (tooMany() && ceilDiv(vectors, shape.vectorsPerThread - 1) <= 1024)
    --shape.vectorsPerThread;
  shape.threadsPerRow =
      std::min<int64_t>(1024, threadsFor(ceilDiv(vectors, shape.vectorsPerThread)));
  // Sums over rows stay with the thread, whatever registers they take.
  if (tooMany() && !needs.accumulates) {
    shape.streamed = true;
    shape.vectorsPerThread = 1;
    shape.threadsPerRow = 1024;
  }
  if (needs.accumulates && needs.reduces)
    widenThreads(shape, needs, vectors);
  shape.rowsPerBlock = std::max<int64_t>(1, 256 / shape.threadsPerRow);
  shape.rowsPerBlock = std::min(
      shape.rowsPerBlock, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(needs.rows))));

  if (needs.accumulates && !needs.reduces && !needs.sumsSingles)
    partRows(shape, needs, vectors);
  if (!needs.accumulates && shape.rowsPerBlock == 1)
    packLongRows(shape, needs, vectors);

  if (!needs.accumulates && !needs.reduces && !shape.streamed)
    shape.rowsPerThread = std::clamp<int64_t>(
        4 / (shape.vectorsPerThread * needs.wideValues), 1,
        std::max<int64_t>(1, needs.rows / shape.rowsPerBlock / multiprocessors));
  // Where all that becomes of a row is that it is summed, several in a round: there is nothing else
  // meanwhile that would hide how long loads take.
  if (needs.accumulates && !needs.reduces && needs.stores == 0 &&
      needs.wideValues == 1 + needs.sums &&
      needs.rows / needs.sections >= leastRounds * rowsOfRound * shape.rowsPerBlock)
    shape.rowsPerThread = rowsOfRound;
  // A kernel that sums over rows runs as many blocks as are resident at once.
  if (needs.accumulates)
    shape.blocksPerMultiprocessor = blocksWithRegisters(shape, needs);
  int64_t resident = multiprocessors * shape.blocksPerMultiprocessor / shape.parts;
  shape.blocks = ceilDiv(needs.rows, shape.rowsPerBlock * shape.rowsPerThread);
  if (needs.accumulates) {
    const int64_t rows = needs.rows / needs.sections;
    // A block on each multiprocessor is enough to keep the memory busy; more of them only where
    // each still sums so many rows that its own sums, which are rows too, do not count.
    const int64_t few = ceilDiv(multiprocessors, needs.sections * shape.parts);
    const int64_t most = std::max<int64_t>(1, resident / needs.sections);
    const int64_t paying = rows / (shape.rowsPerBlock * leastRowsSummed);
    const int64_t turns = ceilDiv(rows, shape.rowsPerBlock * shape.rowsPerThread);
    const int64_t blocks = std::min({turns, most, std::max(few, paying)});
    // No more than end at the same time.
    shape.blocks = needs.sections * shape.parts * ceilDiv(turns, ceilDiv(turns, blocks));
  }
  return shape;
}
