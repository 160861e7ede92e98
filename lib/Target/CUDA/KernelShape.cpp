//===- KernelShape.cpp - How threads share rows ----------------------------===//

#include "KernelShape.h"

#include <algorithm>
#include <bit>

using namespace bigmac::cuda;

/// Rows that a thread should sum at least.
static constexpr int64_t leastRowsSummed = 8;

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
  auto registers = [&](int64_t vectorsPerThread) {
    return 16 + vectorsPerThread * shape.vector * needs.wideValues;
  };
  auto limit = [&](int64_t threads) {
    return needs.accumulates ? 48 : std::min<int64_t>(64, 48 * 1024 / threads);
  };
  int64_t wanted = std::min<int64_t>(vectors, 256);
  shape.threadsPerRow = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));
  auto vectorsPerThread = [&] { return (vectors + shape.threadsPerRow - 1) / shape.threadsPerRow; };
  while (shape.threadsPerRow < 1024 && vectorsPerThread() > 1 &&
         registers(vectorsPerThread()) > limit(shape.threadsPerRow))
    shape.threadsPerRow *= 2;
  shape.vectorsPerThread = vectorsPerThread();
  if (shape.vectorsPerThread > 1 &&
      registers(shape.vectorsPerThread) > limit(shape.threadsPerRow)) {
    shape.streamed = true;
    shape.vectorsPerThread = 1;
  }
  shape.rowsPerBlock = std::max<int64_t>(1, 256 / shape.threadsPerRow);
  shape.rowsPerBlock = std::min(
      shape.rowsPerBlock, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(needs.rows))));

  if (!needs.accumulates && !needs.reduces && !shape.streamed)
    shape.rowsPerThread = std::clamp<int64_t>(
        4 / (shape.vectorsPerThread * needs.wideValues), 1,
        std::max<int64_t>(1, needs.rows / shape.rowsPerBlock / multiprocessors));
  int64_t together = shape.rowsPerBlock * shape.rowsPerThread;
  int64_t rowBlocks = (needs.rows + together - 1) / together;
  // A kernel that sums over rows runs as many blocks as are resident at once.
  if (needs.accumulates)
    shape.blocksPerMultiprocessor = std::max<int64_t>(1, 1024 / shape.threads());
  int64_t resident = multiprocessors * shape.blocksPerMultiprocessor;
  shape.blocks = rowBlocks;
  if (needs.accumulates) {
    const int64_t rows = needs.rows / needs.sections;
    // A block on each multiprocessor is enough to keep the memory busy; more of them only where
    // each still sums so many rows that its own sums, which are rows too, do not count.
    const int64_t few = (multiprocessors + needs.sections - 1) / needs.sections;
    const int64_t most = std::max<int64_t>(1, resident / needs.sections);
    const int64_t paying = rows / (shape.rowsPerBlock * leastRowsSummed);
    shape.blocks = needs.sections * std::min((rows + shape.rowsPerBlock - 1) / shape.rowsPerBlock,
                                             std::min(most, std::max(few, paying)));
  }
  return shape;
}
