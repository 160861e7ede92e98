//===- KernelShape.h - How threads share rows -------------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_KERNELSHAPE_H
#define BIGMAC_TARGET_CUDA_KERNELSHAPE_H

#include <cstdint>

namespace bigmac::cuda {

/// How a kernel's threads share `rows` rows of `columns` elements.
struct KernelShape {
  /// Consecutive elements that a thread loads at once.
  int64_t vector = 1;
  /// Threads that share a row: whole warps, or a power of two below one.
  int64_t threadsPerRow = 1;
  int64_t rowsPerBlock = 1;
  /// Rows that each thread computes one after another, in a round, loading them all first.
  int64_t rowsPerThread = 1;
  /// Vectors of a row that a thread holds, at most. With `streamed`, rows are longer than registers
  /// hold: they are read again by each reduction.
  int64_t vectorsPerThread = 1;
  bool streamed = false;
  /// Threads hold a row as it is in memory, and compute what they need of it again for each
  /// reduction and for what is stored: less registers, so that another row is loaded meanwhile.
  bool packed = false;
  /// Parts of a row, each of which other blocks compute.
  int64_t parts = 1;
  /// Blocks; fewer than rows need where blocks go through all rows, of their section, in rounds.
  /// The first section's come first; those that compute parts of the same rows are neighbours.
  int64_t blocks = 1;
  /// Blocks that a multiprocessor must have registers for at once; 0: as it comes.
  int64_t blocksPerMultiprocessor = 0;

  int64_t threads() const { return threadsPerRow * rowsPerBlock; }
};

struct KernelNeeds {
  int64_t rows = 1, columns = 1;
  /// Bytes of the widest and of the narrowest element of a row in memory.
  int64_t widestBytes = 4, narrowestBytes = 4;
  /// Values with an element for each column that a thread holds throughout: those loaded, and sums
  /// over rows.
  int64_t wideValues = 1;
  /// Of them: the sums over rows, and the bytes of one element of each that is loaded for every
  /// row, and of each that all rows share.
  int64_t sums = 0, loadedBytes = 0, sharedBytes = 0;
  /// Values that are stored for each row.
  int64_t stores = 0;
  /// The kernel sums over rows: as few blocks as fill the device. Rows are in so many sections,
  /// each summed by itself.
  bool accumulates = false;
  int64_t sections = 1;
  /// The kernel reduces along rows.
  bool reduces = false;
  /// Something of a row is a single value that is summed over rows.
  bool sumsSingles = false;
};

/// Multiprocessors of the device that kernels are shaped for (H100 SXM and H200 have 132); another
/// number costs speed, not correctness.
inline constexpr int64_t multiprocessors = 132;

KernelShape shapeFor(const KernelNeeds &needs);

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_KERNELSHAPE_H
