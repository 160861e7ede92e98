#include "LanePairs.h"

#include <nlohmann/json.hpp>
#include <set>

namespace bigmac::rt {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Lane, from, to, tag)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LaneMessage, offset, bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LaneEnd, signal, messages)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankLanes, arena, signals, ends)

std::string toText(const RankLanes &lanes) { return nlohmann::json(lanes).dump(); }

RankLanes rankLanesFromText(const std::string &text) {
  return nlohmann::json::parse(text).get<RankLanes>();
}

static std::string describe(const Lane &lane, const LaneEnd *end, bool sends) {
  uint64_t bytes = 0;
  for (const LaneMessage &message : end ? end->messages : std::vector<LaneMessage>())
    bytes += message.bytes;
  return "rank " + std::to_string(sends ? lane.from : lane.to) + (sends ? " sends " : " expects ") +
         std::to_string(end ? end->messages.size() : 0) + " messages of " + std::to_string(bytes) +
         " bytes in all";
}

std::string findUnpairedLane(const std::vector<RankLanes> &ranks) {
  std::set<Lane> lanes;
  for (const RankLanes &rank : ranks)
    for (const auto &[lane, end] : rank.ends)
      lanes.insert(lane);
  for (const Lane &lane : lanes) {
    auto endAt = [&](uint32_t rank) -> const LaneEnd * {
      if (rank >= ranks.size())
        return nullptr;
      auto it = ranks[rank].ends.find(lane);
      return it == ranks[rank].ends.end() ? nullptr : &it->second;
    };
    const LaneEnd *sent = endAt(lane.from), *expected = endAt(lane.to);
    std::string what = "transfers from rank " + std::to_string(lane.from) + " to rank " +
                       std::to_string(lane.to) + " in lane " + std::to_string(lane.tag) + ": ";
    if (!sent || !expected || sent->messages.size() != expected->messages.size())
      return what + describe(lane, sent, true) + ", " + describe(lane, expected, false);
    for (size_t i = 0; i < sent->messages.size(); ++i)
      if (sent->messages[i].bytes != expected->messages[i].bytes)
        return what + "message " + std::to_string(i) + " is sent with " +
               std::to_string(sent->messages[i].bytes) + " bytes and expected with " +
               std::to_string(expected->messages[i].bytes);
  }
  return "";
}

} // namespace bigmac::rt
