//===- PlacementVerifier.cpp - Proves a placement -------------------------===//
//
// A sweep over time holds the places of the buffers that are alive, sorted by offset; as long as
// they are disjoint, a new one needs comparing with its two neighbours only.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Planning/MemoryPlanner.h"

#include <algorithm>
#include <map>
#include <string>

namespace bigmac::planning {

namespace {

std::string describe(std::span<const Buffer> buffers, std::span<const uint64_t> offsets,
                     uint32_t i) {
  return "buffer " + std::to_string(i) + " (alive [" + std::to_string(buffers[i].lower) + ", " +
         std::to_string(buffers[i].upper) + "), bytes [" + std::to_string(offsets[i]) + ", " +
         std::to_string(offsets[i] + buffers[i].size) + "))";
}

} // namespace

Status verifyPlacement(std::span<const Buffer> buffers, std::span<const uint64_t> offsets,
                       std::optional<uint64_t> capacity) {
  if (offsets.size() != buffers.size())
    return Error{"there are " + std::to_string(offsets.size()) + " offsets for " +
                 std::to_string(buffers.size()) + " buffers"};
  std::vector<uint32_t> births, deaths;
  for (uint32_t i = 0; i < buffers.size(); ++i) {
    const Buffer &buffer = buffers[i];
    if (buffer.lower > buffer.upper)
      return Error{"buffer " + std::to_string(i) + ": its lifetime ends before it starts"};
    if (buffer.size == 0 || buffer.lower == buffer.upper)
      continue;
    if (buffer.alignment == 0 || offsets[i] % buffer.alignment != 0)
      return Error{describe(buffers, offsets, i) + " is not aligned to " +
                   std::to_string(buffer.alignment)};
    uint64_t most = capacity.value_or(~uint64_t(0));
    if (buffer.size > most || offsets[i] > most - buffer.size)
      return Error{describe(buffers, offsets, i) + " does not end within " + std::to_string(most) +
                   " bytes"};
    births.push_back(i);
  }
  deaths = births;
  std::sort(births.begin(), births.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(buffers[a].lower, a) < std::pair(buffers[b].lower, b);
  });
  std::sort(deaths.begin(), deaths.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(buffers[a].upper, a) < std::pair(buffers[b].upper, b);
  });

  std::map<uint64_t, uint32_t> alive;
  size_t dead = 0;
  for (uint32_t i : births) {
    for (; dead < deaths.size() && buffers[deaths[dead]].upper <= buffers[i].lower; ++dead)
      alive.erase(offsets[deaths[dead]]);
    auto above = alive.lower_bound(offsets[i]);
    const uint32_t *other = nullptr;
    if (above != alive.end() && above->first < offsets[i] + buffers[i].size)
      other = &above->second;
    if (above != alive.begin()) {
      const auto &[offset, below] = *std::prev(above);
      if (offset + buffers[below].size > offsets[i])
        other = &below;
    }
    if (other)
      return Error{describe(buffers, offsets, *other) + " and " + describe(buffers, offsets, i) +
                   " overlap"};
    alive.emplace(offsets[i], i);
  }
  return Status::success();
}

} // namespace bigmac::planning
