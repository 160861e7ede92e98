#include "RegionPairs.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

namespace bigmac::rt {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PreparedRegion, group, offset, bytes, type)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankRegions, arena, block, regions)

std::string toText(const RankRegions &regions) { return nlohmann::json(regions).dump(); }

RankRegions rankRegionsFromText(const std::string &text) {
  return nlohmann::json::parse(text).get<RankRegions>();
}

std::string findUnsharedRegions(const std::vector<RankRegions> &ranks) {
  std::set<std::vector<uint32_t>> groups; // one place for each
  using Shared = std::tuple<const std::vector<uint32_t> *, uint64_t, uint32_t>;
  std::vector<std::vector<Shared>> prepared(ranks.size());
  for (size_t rank = 0; rank < ranks.size(); ++rank)
    for (const PreparedRegion &region : ranks[rank].regions)
      prepared[rank].push_back({&*groups.insert(region.group).first, region.bytes, region.type});
  auto shared = [&](uint32_t rank, uint32_t other) {
    std::vector<Shared> list;
    for (const Shared &each : prepared[rank])
      if (std::ranges::find(*std::get<0>(each), other) != std::get<0>(each)->end())
        list.push_back(each);
    return list;
  };
  std::set<std::pair<uint32_t, uint32_t>> seen;
  for (const auto &group : groups)
    for (uint32_t a : group)
      for (uint32_t b : group)
        if (a < b && seen.insert({a, b}).second && shared(a, b) != shared(b, a))
          return "ranks " + std::to_string(a) + " and " + std::to_string(b) +
                 " have not prepared the same regions of gradients and parameters in the same "
                 "order";
  return "";
}

const PreparedRegion &regionAt(const std::vector<RankRegions> &ranks, uint32_t rank, size_t number,
                               uint32_t other) {
  const auto &mine = ranks[rank].regions;
  const auto &group = mine[number].group;
  auto isOfGroup = [&](const PreparedRegion &region) { return region.group == group; };
  // The k-th of a group is the same region on all of its ranks.
  auto k = std::count_if(mine.begin(), mine.begin() + number, isOfGroup);
  auto at = std::ranges::find_if(ranks[other].regions, [&](const PreparedRegion &region) {
    return isOfGroup(region) && k-- == 0;
  });
  return *at;
}

} // namespace bigmac::rt
