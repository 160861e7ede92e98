//===- SectionSearch.h - Fit a packing into a capacity ----------*- C++ -*-===//
//
// Private to the library. A complete search. It asks, again and again, of one section: which of its
// items is the lowest? Let the floor of a section be the least offset that any of its items that
// are not placed yet can have. If all that could be at a section's floor have that floor in all
// their sections, then one of them is placed there, or none of the section's items is, and the
// floor rises to the next offset that can be reached. The answers exclude each other, so no
// placement is met twice. A floor with the bytes still to go above it that passes the capacity ends
// a branch; so does a floor that nothing can be laid on. Sets of sections that no item connects any
// more are searched one after the other, and a failure in one is not answered by another try of the
// rest. The section with the fewest answers is asked first.
//
// The ideas that a search can keep to placements where everything rests on something, fill a
// section's bytes as a bound, and split over time are those of MiniMalloc (Moffitt, "MiniMalloc: A
// Lightweight Memory Allocator for Hardware-Accelerated Machine Learning", ASPLOS 2023) and
// TelaMalloc (Maas et al., ASPLOS 2023); there the question is which buffer of all comes next.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_MEMORY_SECTIONSEARCH_H
#define BIGMAC_LIB_PLANNING_MEMORY_SECTIONSEARCH_H

#include "Packing.h"

namespace bigmac::planning {

class SectionSearch {
public:
  explicit SectionSearch(const Packing &packing);

  enum class Outcome { Found, Impossible, GaveUp };

  struct Limits {
    uint64_t capacity = 0;
    /// Questions asked.
    uint64_t nodes = 0;
  };

  /// Searches anew. `rank[i]` orders the answers: items of low rank are tried first. With
  /// `weighted` sections that often failed, in this run and earlier ones, are asked earlier.
  Outcome run(const Limits &limits, std::span<const uint32_t> rank, bool weighted);

  /// After Found: by item.
  const std::vector<uint64_t> &offsets() const { return lowest; }
  /// Steps taken in all runs: a measure of time that is the same on every machine.
  uint64_t steps() const { return stepCount; }

private:
  /// Sections and items that are connected, as ranges of `listed`.
  struct Component {
    size_t items, sections, end;
  };
  struct Change {
    enum Kind : uint32_t { Floor, Lowest, Placed } kind;
    uint32_t index;
    uint64_t before;
  };

  void reset();
  bool solve(Component within);
  bool branch(Component within);
  std::vector<Component> components(Component within);
  uint32_t choose(Component within);
  void findLeastFloors(Component within);
  bool askKey(uint32_t section, double &key);
  bool place(uint32_t item);
  bool leaveEmpty(uint32_t section, std::span<const uint32_t> candidates);
  bool raiseFloors();
  void undo(size_t mark);
  void setFloor(uint32_t section, uint64_t to);
  void setLowest(uint32_t item, uint64_t to);
  void touch(uint32_t item);

  const Packing &packing;
  /// By item: its sections, and the items that share one with it.
  Lists sectionsOf, neighbours;
  /// Items of equal number are alike in all; trying one is trying all.
  std::vector<uint32_t> alike;
  std::vector<double> weight;

  Limits limits;
  std::span<const uint32_t> rank;
  bool weighted = false;
  uint64_t nodes = 0, stepCount = 0;
  uint32_t depth = 0;
  bool gaveUp = false;

  /// By section.
  std::vector<uint64_t> floor, remaining;
  std::vector<uint32_t> open;
  /// By item: the least offset that it can have; of a placed one, where it is.
  std::vector<uint64_t> lowest;
  std::vector<uint8_t> placed;
  std::vector<Change> changes;

  /// Scratch: sections whose floor may have risen; marks of a walk; the least floor around an item.
  std::vector<uint32_t> touched, listed, candidates;
  std::vector<uint8_t> isTouched;
  std::vector<uint32_t> itemMark, sectionMark;
  uint32_t mark = 0;
  std::vector<uint64_t> leastFloor;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_MEMORY_SECTIONSEARCH_H
