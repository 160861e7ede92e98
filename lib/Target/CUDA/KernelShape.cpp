//===- KernelShape.cpp - How threads share rows ----------------------------===//

#include "KernelShape.h"

#include <algorithm>
#include <bit>

using namespace bigmac::cuda;

KernelShape bigmac::cuda::shapeFor(const KernelNeeds &needs) {
  KernelShape shape;
  // 16 bytes of the narrowest type an access, if rows are aligned to that: their length decides.
  shape.vector = std::max<int64_t>(1, 16 / needs.narrowestBytes);
  // A vector of a wider type becomes several accesses; more than two cost registers for nothing.
  shape.vector = std::min(shape.vector, std::max<int64_t>(1, 32 / needs.widestBytes));
  while (needs.columns % shape.vector != 0)
    shape.vector /= 2;
  int64_t vectors = needs.columns / shape.vector;

  // One vector a thread until a block is large, then several: loads in flight hide latency.
  const int64_t registersForValues = 96;
  int64_t registersPerVector = std::max<int64_t>(1, shape.vector * needs.wideValues);
  int64_t mostVectors = std::clamp<int64_t>(registersForValues / registersPerVector, 1, 16);
  int64_t wanted = std::min<int64_t>(vectors, 256);
  shape.threadsPerRow = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));
  while (shape.threadsPerRow < 1024 && shape.threadsPerRow * mostVectors < vectors)
    shape.threadsPerRow *= 2;
  shape.vectorsPerThread = (vectors + shape.threadsPerRow - 1) / shape.threadsPerRow;
  if (shape.vectorsPerThread > mostVectors) {
    shape.streamed = true;
    shape.vectorsPerThread = 1;
  }
  shape.rowsPerBlock = std::max<int64_t>(1, 256 / shape.threadsPerRow);
  shape.rowsPerBlock = std::min(shape.rowsPerBlock,
                                static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(needs.rows))));

  int64_t rowBlocks = (needs.rows + shape.rowsPerBlock - 1) / shape.rowsPerBlock;
  // Sums take registers: about 512 threads a multiprocessor are resident.
  int64_t resident = multiprocessors * std::max<int64_t>(1, 512 / shape.threads());
  shape.blocks = needs.accumulates ? std::min(rowBlocks, resident) : rowBlocks;
  return shape;
}
