//===- OverlapIndex.h - Buffers alive in an interval ------------*- C++ -*-===//
//
// Private to the library. A segment tree over the buffers sorted by birth, holding the latest death
// below each node: the k added buffers that overlap an interval are found in O(k log n).
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_MEMORY_OVERLAPINDEX_H
#define BIGMAC_LIB_PLANNING_MEMORY_OVERLAPINDEX_H

#include "bigmac/Planning/MemoryPlanner.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace bigmac::planning {

inline constexpr uint32_t noBuffer = ~uint32_t(0);

class OverlapIndex {
public:
  explicit OverlapIndex(std::span<const Buffer> buffers) : buffers(buffers) {
    sorted.resize(buffers.size());
    std::iota(sorted.begin(), sorted.end(), 0u);
    std::sort(sorted.begin(), sorted.end(), [&](uint32_t a, uint32_t b) {
      return std::pair(buffers[a].lower, a) < std::pair(buffers[b].lower, b);
    });
    slotOf.resize(buffers.size());
    for (uint32_t slot = 0; slot < sorted.size(); ++slot)
      slotOf[sorted[slot]] = slot;
    leaves = std::bit_ceil(std::max<size_t>(1, buffers.size()));
    clear();
  }

  /// Removes all.
  void clear() { latest.assign(2 * leaves, 0); }

  /// Adds a buffer with a lifetime.
  void add(uint32_t buffer) {
    uint64_t upper = buffers[buffer].upper;
    for (size_t node = leaves + slotOf[buffer]; node > 0 && latest[node] < upper; node /= 2)
      latest[node] = upper;
  }

  /// Calls `action` for every added buffer that is alive at an instant of [lower, upper).
  template <typename Action> void visit(uint64_t lower, uint64_t upper, Action action) const {
    size_t end = std::partition_point(sorted.begin(), sorted.end(),
                                      [&](uint32_t i) { return buffers[i].lower < upper; }) -
                 sorted.begin();
    descend(1, 0, leaves, end, lower, action);
  }

  /// By buffer: the most bytes that are alive at an instant of its lifetime.
  std::vector<uint64_t> liveBytesDuring() const;

private:
  template <typename Action>
  void descend(size_t node, size_t begin, size_t width, size_t end, uint64_t lower,
               Action &action) const {
    if (begin >= end || latest[node] <= lower)
      return;
    if (width == 1) {
      action(sorted[begin]);
      return;
    }
    descend(2 * node, begin, width / 2, end, lower, action);
    descend(2 * node + 1, begin + width / 2, width / 2, end, lower, action);
  }

  std::span<const Buffer> buffers;
  /// Buffers by birth, and where each is.
  std::vector<uint32_t> sorted, slotOf;
  size_t leaves = 1;
  /// By node: the latest death of an added buffer below it; 0 for none, as a lifetime ends after 0.
  std::vector<uint64_t> latest;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_MEMORY_OVERLAPINDEX_H
