//===- KernelShape.cpp - How threads share rows ----------------------------===//

#include "KernelShape.h"

#include <algorithm>
#include <bit>

using namespace bigmac::cuda;

/// Rows that a thread should sum at least.
static constexpr int64_t leastRowsSummed = 4;
/// Rounds of a single row that a block should have at least to take two at a time.
static constexpr int64_t leastRounds = 8;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Threads for so many vectors of a row: whole warps, or a part of one that divides it.
static int64_t threadsFor(int64_t vectors) {
  return vectors > 32 ? ceilDiv(vectors, 32) * 32
                      : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(vectors)));
}

/// Blocks of a kernel that sums over rows, on a multiprocessor: as many as have registers for the
/// sums, what rows share, the row at hand and the next one, which is loaded meanwhile. A register
/// or two that do not fit cost less than a block.
static int64_t blocksWithRegisters(const KernelShape &shape, const KernelNeeds &needs) {
  const int64_t elements = shape.vector * shape.vectorsPerThread;
  const int64_t registers =
      28 + elements * needs.sums + elements * (2 * needs.loadedBytes + needs.sharedBytes) / 4;
  return std::clamp<int64_t>(64 * 1024 / (shape.threads() * registers), 1,
                             std::max<int64_t>(1, 2048 / shape.threads()));
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
  shape.rowsPerBlock = std::max<int64_t>(1, 256 / shape.threadsPerRow);
  shape.rowsPerBlock = std::min(
      shape.rowsPerBlock, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(needs.rows))));

  if (!needs.accumulates && !needs.reduces && !shape.streamed)
    shape.rowsPerThread = std::clamp<int64_t>(
        4 / (shape.vectorsPerThread * needs.wideValues), 1,
        std::max<int64_t>(1, needs.rows / shape.rowsPerBlock / multiprocessors));
  // Where all that becomes of a row is that it is summed, two in a round: there is nothing else
  // meanwhile that would hide how long loads take.
  if (needs.accumulates && !needs.reduces && needs.stores == 0 &&
      needs.wideValues == 1 + needs.sums &&
      needs.rows / needs.sections >= leastRounds * multiprocessors * shape.rowsPerBlock)
    shape.rowsPerThread = 2;
  // A kernel that sums over rows runs as many blocks as are resident at once.
  if (needs.accumulates)
    shape.blocksPerMultiprocessor = blocksWithRegisters(shape, needs);
  int64_t resident = multiprocessors * shape.blocksPerMultiprocessor;
  shape.blocks = ceilDiv(needs.rows, shape.rowsPerBlock * shape.rowsPerThread);
  if (needs.accumulates) {
    const int64_t rows = needs.rows / needs.sections;
    // A block on each multiprocessor is enough to keep the memory busy; more of them only where
    // each still sums so many rows that its own sums, which are rows too, do not count.
    const int64_t few = (multiprocessors + needs.sections - 1) / needs.sections;
    const int64_t most = std::max<int64_t>(1, resident / needs.sections);
    const int64_t paying = rows / (shape.rowsPerBlock * leastRowsSummed);
    const int64_t turns = ceilDiv(rows, shape.rowsPerBlock * shape.rowsPerThread);
    const int64_t blocks = std::min({turns, most, std::max(few, paying)});
    // No more than end at the same time.
    shape.blocks = needs.sections * ceilDiv(turns, ceilDiv(turns, blocks));
  }
  return shape;
}
