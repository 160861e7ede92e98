//===- LanePairs.h - The two ends of every lane ---------------------------===//
//
// What ranks tell one another of their transfers before the first one: who sends what from where,
// who expects it where. Pure logic; how the texts travel is the caller's.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_LANEPAIRS_H
#define BIGMAC_RT_LANEPAIRS_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bigmac::rt {

/// Messages from one rank to another under one tag, in order.
struct Lane {
  uint32_t from, to, tag;
  auto operator<=>(const Lane &) const = default;
};

/// A message at one end: where in that rank's arena, how long; both in bytes.
struct LaneMessage {
  uint64_t offset, bytes;
};

struct LaneEnd {
  uint64_t signal = 0; // offset of this end's word in the rank's signals
  std::vector<LaneMessage> messages;
};

/// All that a rank tells of itself.
struct RankLanes {
  std::string arena, signals;   // handles by which others open these; empty: the rank gives none
  std::map<Lane, LaneEnd> ends; // of lanes from or to this rank
};

std::string toText(const RankLanes &lanes);
/// Of text that toText() has written.
RankLanes rankLanesFromText(const std::string &text);

/// The first lane whose two ends do not have the same messages, in words; empty where there is
/// none. `ranks`: of the whole world.
std::string findUnpairedLane(const std::vector<RankLanes> &ranks);

} // namespace bigmac::rt

#endif // BIGMAC_RT_LANEPAIRS_H
