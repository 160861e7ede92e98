//===- Packing.h - Items and the sets that must not overlap -----*- C++ -*-===//
//
// Private to the library. What remains of a placement problem when time is taken out of it: items
// with bytes, and sections, the sets of items that are alive at one instant. Two items may share
// bytes unless some section has both.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_MEMORY_PACKING_H
#define BIGMAC_LIB_PLANNING_MEMORY_PACKING_H

#include "bigmac/Planning/MemoryPlanner.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace bigmac::planning {

/// Lists of numbers, one after the other.
class Lists {
public:
  void append(std::span<const uint32_t> list) {
    values.insert(values.end(), list.begin(), list.end());
    ends.push_back(values.size());
  }
  std::span<const uint32_t> operator[](size_t i) const {
    size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::span(values).subspan(begin, ends[i] - begin);
  }
  size_t size() const { return ends.size(); }
  size_t total() const { return values.size(); }

private:
  std::vector<uint32_t> values;
  std::vector<size_t> ends;
};

struct Packing {
  struct Item {
    uint64_t size = 0;
    /// A power of two.
    uint64_t alignment = 1;
    /// How long it lives, in any unit: guides the search.
    uint64_t width = 1;
  };
  std::vector<Item> items;
  /// Each item is in at least one; an item is in a section once.
  Lists sections;
  /// The sections of every item follow one another.
  bool inTime = false;
};

/// Calls `visit` with each set of lives (none empty) that are alive at once and that no other
/// instant's set contains, in the order of time; there are fewer of them than lives. It ends when
/// `visit` returns false.
using SectionVisitor = std::function<bool(std::span<const uint32_t>)>;
void forEachSection(std::span<const Buffer> lives, const SectionVisitor &visit);

/// The packing of `active` buffers, which have bytes and a lifetime: item k is active[k]. Nothing
/// if the sections would have more than `most` entries together.
std::optional<Packing> packingOf(std::span<const Buffer> buffers, std::span<const uint32_t> active,
                                 size_t most);

/// The most bytes of a section.
uint64_t heaviestSection(const Packing &packing);

inline uint64_t alignUp(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_MEMORY_PACKING_H
