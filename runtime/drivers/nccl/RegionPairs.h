//===- RegionPairs.h - Regions that ranks share ---------------------------===//
//
// What ranks tell one another of the regions that they sum and gather together, before the first
// time: who is in a region, and where each has it. Pure logic; how the texts travel is the
// caller's.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_REGIONPAIRS_H
#define BIGMAC_RT_REGIONPAIRS_H

#include <cstdint>
#include <string>
#include <vector>

namespace bigmac::rt {

/// A region as one of its ranks has it.
struct PreparedRegion {
  std::vector<uint32_t> group;
  uint64_t offset, bytes; // in that rank's arena; of a shard
  uint32_t type;          // bm_dtype
};

/// All that a rank tells of itself.
struct RankRegions {
  std::string arena, block; // handles by which others open these; empty: the rank gives none
  std::vector<PreparedRegion> regions; // in the order in which it has prepared them
};

std::string toText(const RankRegions &regions);
/// Of text that toText() has written.
RankRegions rankRegionsFromText(const std::string &text);

/// Two ranks count what passes between them, whichever region it is of. The first two that have not
/// prepared the regions that they share in one order, in words; empty where there are none.
/// `ranks`: of the whole world.
std::string findUnsharedRegions(const std::vector<RankRegions> &ranks);

/// Region `number` of rank `rank`, as `other` of its group has it. findUnsharedRegions() has found
/// nothing.
const PreparedRegion &regionAt(const std::vector<RankRegions> &ranks, uint32_t rank, size_t number,
                               uint32_t other);

} // namespace bigmac::rt

#endif // BIGMAC_RT_REGIONPAIRS_H
