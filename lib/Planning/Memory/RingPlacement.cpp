//===- RingPlacement.cpp - Offsets that do not grow with a step ------------===//

#include "bigmac/Planning/RingPlacement.h"
#include "Packing.h"
#include "SlotPools.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>

using namespace bigmac::planning;

namespace {

struct Ring {
  std::vector<size_t> instances;
  uint64_t size = 0, alignment = 1;
  bool brief = true;
};

/// Gives instances (by increasing start) the slot that has been free longest; returns the number
/// of slots.
size_t colour(std::span<const Buffer> buffers, const std::vector<size_t> &instances,
              std::vector<size_t> &slot) {
  // (time at which it is free, slot)
  std::priority_queue<std::pair<uint64_t, size_t>, std::vector<std::pair<uint64_t, size_t>>,
                      std::greater<>>
      free;
  size_t count = 0;
  for (size_t i : instances) {
    size_t chosen;
    if (!free.empty() && free.top().first <= buffers[i].lower) {
      chosen = free.top().second;
      free.pop();
    } else {
      chosen = count++;
    }
    slot[i] = chosen;
    free.push({buffers[i].upper, chosen});
  }
  return count;
}

/// First fit in time order; `start` is the lowest offset to use. Returns the end of what is used.
uint64_t placeInTimeOrder(std::span<const Buffer> buffers, std::vector<size_t> order,
                          uint64_t start, std::vector<uint64_t> &offsets) {
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::make_tuple(buffers[a].lower, ~buffers[a].size, a) <
           std::make_tuple(buffers[b].lower, ~buffers[b].size, b);
  });
  uint64_t peak = start;
  /// Alive now, by offset: (end of the bytes, end of the life).
  std::multimap<uint64_t, std::pair<uint64_t, uint64_t>> alive;
  for (size_t i : order) {
    const Buffer &buffer = buffers[i];
    for (auto it = alive.begin(); it != alive.end();)
      it = it->second.second <= buffer.lower ? alive.erase(it) : std::next(it);
    uint64_t offset = start;
    for (const auto &[low, other] : alive) {
      if (alignUp(offset, buffer.alignment) + buffer.size <= low)
        break;
      offset = std::max(offset, other.first);
    }
    offset = alignUp(offset, buffer.alignment);
    offsets[i] = offset;
    if (buffer.size)
      alive.insert({offset, {offset + buffer.size, buffer.upper}});
    peak = std::max(peak, offset + buffer.size);
  }
  return peak;
}

/// A ring of slots for each value that lives long; `single` above them.
Placement inRings(std::span<const Buffer> buffers, const std::map<uint32_t, Ring> &rings,
                  const std::vector<size_t> &single) {
  Placement placement;
  placement.offsets.assign(buffers.size(), 0);
  std::vector<size_t> slot(buffers.size());
  uint64_t end = 0;
  for (const auto &[value, ring] : rings) {
    if (ring.brief)
      continue;
    size_t slots = colour(buffers, ring.instances, slot);
    uint64_t stride = alignUp(ring.size, ring.alignment);
    end = alignUp(end, ring.alignment);
    for (size_t i : ring.instances)
      placement.offsets[i] = end + slot[i] * stride;
    end += slots * stride;
  }
  placement.peak = placeInTimeOrder(buffers, single, end, placement.offsets);
  return placement;
}

/// Pools of slots for what lives long, which are lent to `single` while they are idle; the rest of
/// `single` above them.
Placement inPools(std::span<const Buffer> buffers, const std::vector<size_t> &longLived,
                  const std::vector<size_t> &single, bool bundled) {
  Placement placement;
  placement.offsets.assign(buffers.size(), 0);
  SlotPools pools(buffers, longLived, bundled);
  std::vector<size_t> brief;
  for (size_t i : single)
    if (buffers[i].size > 0 && buffers[i].lower < buffers[i].upper)
      brief.push_back(i);
  std::vector<size_t> rest = pools.lend(std::move(brief));
  uint64_t end = pools.assign(placement.offsets);
  placement.peak = placeInTimeOrder(buffers, std::move(rest), end, placement.offsets);
  return placement;
}

} // namespace

Result<Placement> bigmac::planning::placeInRings(std::span<const Buffer> buffers,
                                                 std::span<const uint32_t> rings, uint64_t brief) {
  if (rings.size() != buffers.size())
    return Error{"expected one ring for each of " + std::to_string(buffers.size()) +
                 " buffers, found " + std::to_string(rings.size())};
  std::map<uint32_t, Ring> byValue;
  std::vector<size_t> single, order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::make_pair(buffers[a].lower, a) < std::make_pair(buffers[b].lower, b);
  });
  for (size_t i : order) {
    const Buffer &buffer = buffers[i];
    if (buffer.upper < buffer.lower)
      return Error{"buffer " + std::to_string(i) + " ends before it starts"};
    if (buffer.alignment == 0 || (buffer.alignment & (buffer.alignment - 1)))
      return Error{"buffer " + std::to_string(i) + " has alignment " +
                   std::to_string(buffer.alignment) + ", expected a power of two"};
    if (buffer.size >= uint64_t{1} << 56)
      return Error{"buffer " + std::to_string(i) + " is too large"};
    if (rings[i] == 0) {
      single.push_back(i);
      continue;
    }
    Ring &ring = byValue[rings[i]];
    if (!ring.instances.empty() && ring.size != buffer.size)
      return Error{"instances of value " + std::to_string(rings[i]) + " have " +
                   std::to_string(ring.size) + " and " + std::to_string(buffer.size) + " bytes"};
    ring.instances.push_back(i);
    ring.size = buffer.size;
    ring.alignment = std::max(ring.alignment, buffer.alignment);
    ring.brief = ring.brief && buffer.upper - buffer.lower <= brief;
  }

  // The values that live long: each in a ring of its own slots, or all in shared pools. What is
  // best depends on the model; none depends on how long the step is.
  std::vector<size_t> longLived;
  for (const auto &[value, ring] : byValue)
    for (size_t i : ring.instances) {
      bool needed = buffers[i].size > 0 && buffers[i].lower < buffers[i].upper;
      (ring.brief || !needed ? single : longLived).push_back(i);
    }
  Placement best = inRings(buffers, byValue, single);
  for (bool bundled : {true, false}) {
    Placement placement = inPools(buffers, longLived, single, bundled);
    if (placement.peak < best.peak)
      best = std::move(placement);
  }
  best.lowerBound = best.leastPeak = maxLiveBytes(buffers);
  return best;
}
