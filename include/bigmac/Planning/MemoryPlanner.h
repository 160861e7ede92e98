//===- MemoryPlanner.h - Lifetimes to offsets -------------------*- C++ -*-===//

#ifndef BIGMAC_PLANNING_MEMORYPLANNER_H
#define BIGMAC_PLANNING_MEMORYPLANNER_H

#include "bigmac/Planning/Result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bigmac::planning {

/// Bytes that are needed at the instants lower, lower+1, ..., upper-1: the lifetime is half open,
/// [lower, upper).
struct Buffer {
  uint64_t lower = 0;
  uint64_t upper = 0;
  uint64_t size = 0;
  /// Of the offset, in bytes: a power of two.
  uint64_t alignment = 64;
};

struct PlacementOptions {
  /// How much is searched, counted in steps, not in time; 0 only replays the allocations.
  uint32_t effort = 1;
  /// Stop as soon as the peak is no more than this.
  std::optional<uint64_t> capacity;
};

struct Placement {
  /// By buffer. 0 for one without bytes or lifetime.
  std::vector<uint64_t> offsets;
  /// The end of the highest buffer.
  uint64_t peak = 0;
  /// The most bytes alive at one instant: no placement has a lower peak.
  uint64_t lowerBound = 0;
  /// No placement has a lower peak than this either: it is above `lowerBound` where all placements
  /// below it were ruled out.
  uint64_t leastPeak = 0;

  /// The peak over the live bytes: 1 is perfect.
  double fragmentation() const {
    return lowerBound == 0 ? 1 : static_cast<double>(peak) / static_cast<double>(lowerBound);
  }
};

/// Places buffers so that those alive at once do not overlap. Deterministic. Errors: a lifetime
/// that ends before it starts, an alignment that is not a power of two, sizes whose sum does not
/// fit in 63 bits. A peak over `capacity` is not an error here: compare `peak`, which the caller
/// can report with what it knows.
Result<Placement> placeBuffers(std::span<const Buffer> buffers,
                               const PlacementOptions &options = {});

/// The most bytes alive at one instant, without regard to alignment.
uint64_t maxLiveBytes(std::span<const Buffer> buffers);

/// Proves that no two buffers alive at once overlap, that offsets are aligned, and that all end at
/// or below `capacity`. An error names the two buffers by index, with their lifetimes and places.
Status verifyPlacement(std::span<const Buffer> buffers, std::span<const uint64_t> offsets,
                       std::optional<uint64_t> capacity = std::nullopt);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_MEMORYPLANNER_H
