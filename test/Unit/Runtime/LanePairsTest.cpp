// What GPU ranks tell one another of their transfers.

#include "drivers/nccl/LanePairs.h"

#include <gtest/gtest.h>

using namespace bigmac::rt;

namespace {

std::vector<RankLanes> worldOf(std::vector<LaneMessage> sent, std::vector<LaneMessage> expected) {
  std::vector<RankLanes> ranks(3);
  ranks[0].ends[{0, 2, 7}] = {128, std::move(sent)};
  ranks[2].ends[{0, 2, 7}] = {0, std::move(expected)};
  return ranks;
}

TEST(LanePairs, TextKeepsEverything) {
  RankLanes lanes{"", "00ff", {}};
  lanes.ends[{3, 1, 4}] = {256, {{0, 64}, {1ull << 40, 3}}};
  lanes.ends[{1, 3, 0}] = {0, {}};
  RankLanes read = rankLanesFromText(toText(lanes));
  EXPECT_EQ(read.arena, "");
  EXPECT_EQ(read.signals, "00ff");
  ASSERT_EQ(read.ends.size(), 2u);
  const LaneEnd &end = read.ends.at({3, 1, 4});
  EXPECT_EQ(end.signal, 256u);
  ASSERT_EQ(end.messages.size(), 2u);
  EXPECT_EQ(end.messages[1].offset, 1ull << 40);
  EXPECT_EQ(end.messages[1].bytes, 3u);
  EXPECT_TRUE(read.ends.at({1, 3, 0}).messages.empty());
}

/// Places may differ, numbers and sizes may not.
TEST(LanePairs, PairsBySize) {
  EXPECT_EQ(findUnpairedLane(worldOf({{0, 8}, {64, 16}}, {{512, 8}, {0, 16}})), "");
  EXPECT_EQ(
      findUnpairedLane(worldOf({{0, 8}, {64, 16}}, {{0, 16}, {512, 8}})),
      "transfers from rank 0 to rank 2 in lane 7: message 0 is sent with 8 bytes and expected "
      "with 16");
  EXPECT_EQ(findUnpairedLane(worldOf({{0, 8}}, {{0, 8}, {64, 8}})),
            "transfers from rank 0 to rank 2 in lane 7: rank 0 sends 1 messages of 8 bytes in all, "
            "rank 2 expects 2 messages of 16 bytes in all");
}

TEST(LanePairs, AnEndIsMissing) {
  std::vector<RankLanes> ranks = worldOf({{0, 8}}, {{0, 8}});
  ranks[2].ends.clear();
  EXPECT_EQ(findUnpairedLane(ranks),
            "transfers from rank 0 to rank 2 in lane 7: rank 0 sends 1 messages of 8 bytes in all, "
            "rank 2 expects 0 messages of 0 bytes in all");
  ranks.resize(2); // or its rank
  EXPECT_NE(findUnpairedLane(ranks), "");
}

} // namespace
