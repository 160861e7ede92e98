//===- FreeList.cpp - Places buffers in the order of time -----------------===//

#include "FreeList.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace bigmac::planning {

namespace {

/// Free space below the highest byte used so far; above it everything is free.
class FreeList {
public:
  uint64_t allocate(uint64_t size, uint64_t alignment) {
    // Gaps in the order of size: the first that holds the buffer at an aligned offset is the
    // tightest. A few misaligned gaps are passed over, not all of them.
    auto candidate = bySize.lower_bound({size, 0});
    for (unsigned tries = 0; candidate != bySize.end() && tries < 64; ++candidate, ++tries) {
      auto [gapSize, begin] = *candidate;
      uint64_t offset = aligned(begin, alignment);
      if (offset + size > begin + gapSize)
        continue;
      remove(begin, gapSize);
      insert(begin, offset - begin);
      insert(offset + size, begin + gapSize - offset - size);
      return offset;
    }
    // At the top, over the highest gap where that touches it.
    uint64_t begin = top;
    if (!byOffset.empty()) {
      auto [last, gapSize] = *byOffset.rbegin();
      if (last + gapSize == top) {
        remove(last, gapSize);
        begin = last;
      }
    }
    uint64_t offset = aligned(begin, alignment);
    insert(begin, offset - begin);
    top = std::max(top, offset + size);
    return offset;
  }

  void free(uint64_t offset, uint64_t size) {
    auto next = byOffset.lower_bound(offset);
    if (next != byOffset.end() && next->first == offset + size) {
      auto [begin, gapSize] = *next;
      size += gapSize;
      remove(begin, gapSize);
    }
    auto after = byOffset.lower_bound(offset);
    if (after != byOffset.begin()) {
      auto [begin, gapSize] = *std::prev(after);
      if (begin + gapSize == offset) {
        remove(begin, gapSize);
        offset = begin;
        size += gapSize;
      }
    }
    insert(offset, size);
  }

  uint64_t highest() const { return top; }

private:
  static uint64_t aligned(uint64_t offset, uint64_t alignment) {
    return (offset + alignment - 1) & ~(alignment - 1);
  }
  void insert(uint64_t offset, uint64_t size) {
    if (size == 0)
      return;
    byOffset.emplace(offset, size);
    bySize.emplace(size, offset);
  }
  void remove(uint64_t offset, uint64_t size) {
    byOffset.erase(offset);
    bySize.erase({size, offset});
  }

  uint64_t top = 0;
  std::map<uint64_t, uint64_t> byOffset;
  std::set<std::pair<uint64_t, uint64_t>> bySize;
};

} // namespace

std::vector<uint64_t> placeInTime(std::span<const Buffer> buffers,
                                  const std::vector<uint32_t> &active, uint64_t &peak) {
  std::vector<uint32_t> births = active, deaths = active;
  std::sort(births.begin(), births.end(), [&](uint32_t a, uint32_t b) {
    if (buffers[a].lower != buffers[b].lower)
      return buffers[a].lower < buffers[b].lower;
    return buffers[a].size != buffers[b].size ? buffers[a].size > buffers[b].size : a < b;
  });
  std::sort(deaths.begin(), deaths.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(buffers[a].upper, a) < std::pair(buffers[b].upper, b);
  });
  std::vector<uint64_t> offsets(buffers.size(), 0);
  FreeList list;
  size_t dead = 0;
  for (uint32_t i : births) {
    for (; dead < deaths.size() && buffers[deaths[dead]].upper <= buffers[i].lower; ++dead)
      list.free(offsets[deaths[dead]], buffers[deaths[dead]].size);
    offsets[i] = list.allocate(buffers[i].size, buffers[i].alignment);
  }
  peak = list.highest();
  return offsets;
}

} // namespace bigmac::planning
