// What GPU ranks tell one another of the regions that they share.

#include "drivers/nccl/RegionPairs.h"

#include <gtest/gtest.h>

using namespace bigmac::rt;

namespace {

using Group = std::vector<uint32_t>;

PreparedRegion region(Group group, uint64_t offset, uint64_t bytes = 64, uint32_t type = 1) {
  return {std::move(group), offset, bytes, type};
}

std::vector<RankRegions> worldOf(std::vector<std::vector<PreparedRegion>> regions) {
  std::vector<RankRegions> ranks;
  for (auto &each : regions)
    ranks.push_back({"arena", "block", std::move(each)});
  return ranks;
}

const char kUnshared[] = "ranks 0 and 1 have not prepared the same regions of gradients and "
                         "parameters in the same order";

} // namespace

TEST(RegionPairs, TextKeepsEverything) {
  RankRegions read = rankRegionsFromText(
      toText({"", "00ff", {region({0, 3}, 1ull << 40, 96, 3), region({2}, 0)}}));
  EXPECT_EQ(read.arena, "");
  EXPECT_EQ(read.block, "00ff");
  ASSERT_EQ(read.regions.size(), 2u);
  EXPECT_EQ(read.regions[0].group, (Group{0, 3}));
  EXPECT_EQ(read.regions[0].offset, 1ull << 40);
  EXPECT_EQ(read.regions[0].bytes, 96u);
  EXPECT_EQ(read.regions[0].type, 3u);
  EXPECT_EQ(read.regions[1].group, (Group{2}));
}

/// Places may differ; sizes, types and the order may not, not even between regions of two groups.
TEST(RegionPairs, SharedRegionsAreInOneOrder) {
  Group pair{0, 1}, all{0, 1, 2};
  auto error = [](std::vector<PreparedRegion> first, std::vector<PreparedRegion> second) {
    return findUnsharedRegions(worldOf({std::move(first), std::move(second), {}}));
  };
  EXPECT_EQ(
      error({region(pair, 0), region(pair, 64, 32)}, {region(pair, 512), region(pair, 8, 32)}), "");
  EXPECT_EQ(error({region(pair, 0), region({0}, 64)}, {region({1}, 0), region(pair, 64)}), "");
  EXPECT_EQ(error({region(pair, 0), region(pair, 64, 32)}, {region(pair, 0, 32), region(pair, 64)}),
            kUnshared);
  EXPECT_EQ(error({region(pair, 0, 64, 1)}, {region(pair, 0, 64, 3)}), kUnshared);
  EXPECT_EQ(error({region(pair, 0)}, {}), kUnshared);
  EXPECT_EQ(error({region(pair, 0), region(all, 64)}, {region(all, 64), region(pair, 0)}),
            kUnshared);
  EXPECT_EQ(findUnsharedRegions(worldOf({{region(all, 0)}, {region(all, 0)}, {}})),
            "ranks 0 and 2 have not prepared the same regions of gradients and parameters in the "
            "same order");
}

TEST(RegionPairs, FindsARegionAtAnotherRank) {
  Group pair{0, 1}, all{0, 1, 2};
  auto ranks = worldOf({{region(pair, 0), region(all, 64), region(pair, 128)},
                        {region({1}, 0), region(pair, 8), region(all, 72), region(pair, 136)},
                        {region(all, 16)}});
  EXPECT_EQ(regionAt(ranks, 0, 0, 1).offset, 8u);
  EXPECT_EQ(regionAt(ranks, 0, 2, 1).offset, 136u);
  EXPECT_EQ(regionAt(ranks, 0, 1, 2).offset, 16u);
  EXPECT_EQ(regionAt(ranks, 1, 3, 0).offset, 128u);
}
