//===- OffloadTest.cpp - What waits in the host's memory ------------------===//

#include "bigmac/Planning/Offload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

using namespace bigmac::planning;

namespace {

/// Actions of one second each, without pause.
RankTimes seconds(uint32_t count) {
  RankTimes times;
  for (uint32_t i = 0; i < count; ++i) {
    times.start.push_back(i);
    times.end.push_back(i + 1);
  }
  return times;
}

/// Ten bytes a second.
const Link host{10, 0};

TEST(Trips, AreHiddenBehindActions) {
  // Two seconds each way: out while actions 1 and 2 run, back while 6 and 7 do.
  std::vector<Gap> gaps{{0, 8, 20}};
  Trips trips = planTrips(seconds(9), gaps, host);
  EXPECT_EQ(trips.of[0].gone, 3u);
  EXPECT_EQ(trips.of[0].back, 6u);
  EXPECT_DOUBLE_EQ(trips.seconds, 4);
  EXPECT_EQ(trips.exposed, 0);
}

TEST(Trips, NeedTimeForBothCopies) {
  std::vector<Gap> gaps{{0, 4, 20}, {0, 6, 20}};
  Trips trips = planTrips(seconds(9), gaps, host);
  EXPECT_FALSE(trips.of[0].made());
  // The one that stays does not hold up the other.
  EXPECT_TRUE(trips.of[1].made());
  EXPECT_EQ(trips.of[1].gone, 3u);
  EXPECT_EQ(trips.of[1].back, 4u);
}

TEST(Trips, OfTheSameActionsStartAndEndTogether) {
  std::vector<Gap> gaps{{0, 8, 10}, {0, 8, 10}};
  Trips trips = planTrips(seconds(9), gaps, {10, 0.5});
  // Each copy takes 1.5 seconds.
  for (const Trip &trip : trips.of) {
    EXPECT_EQ(trip.gone, 4u);
    EXPECT_EQ(trip.back, 5u);
  }
  EXPECT_DOUBLE_EQ(trips.seconds, 6);
}

TEST(Trips, FollowOneAnotherInEachDirection) {
  std::vector<Gap> gaps{{0, 9, 15}, {0, 11, 25}};
  Trips trips = planTrips(seconds(12), gaps, host);
  // Out from 1 to 2.5 and from 2.5 to 5; back until 9, and from 8.5 to 11, but not before the first
  // is used: half a second is waited for.
  EXPECT_EQ(trips.of[0].gone, 3u);
  EXPECT_EQ(trips.of[1].gone, 5u);
  EXPECT_EQ(trips.of[0].back, 7u);
  EXPECT_EQ(trips.of[1].back, 9u);
  EXPECT_DOUBLE_EQ(trips.exposed, 0.5);
}

TEST(Trips, AreWaitedForWhereTheLinkFallsBehind) {
  // Each second makes what takes three to copy. At most two groups are in flight, however many
  // there are: the rank waits.
  for (uint32_t count : {20u, 200u}) {
    std::vector<Gap> gaps;
    for (uint32_t i = 0; i < count; ++i)
      gaps.push_back({i, i + count, 30});
    Trips trips = planTrips(seconds(2 * count), gaps, host);
    for (uint32_t i = 0; i + 1 < count; ++i) {
      ASSERT_TRUE(trips.of[i].made()) << i;
      EXPECT_LE(trips.of[i].gone, i + 2);
      EXPECT_GE(trips.of[i + 1].back, i + count);
    }
    EXPECT_GT(trips.exposed, 3.5 * (count - 3));
    EXPECT_LT(trips.exposed, 4.5 * count);
  }
}

/// `values` on one rank of `count` actions, each `live` bytes.
OffloadProblem problemOf(std::vector<std::vector<Gap>> values, uint32_t count, uint64_t live,
                         uint64_t limit) {
  OffloadProblem problem;
  problem.host = host;
  problem.times = {seconds(count)};
  problem.live = {std::vector<uint64_t>(count, live)};
  problem.limit = {limit};
  for (std::vector<Gap> &gaps : values) {
    OffloadValue value;
    value.uses.push_back({0, std::move(gaps)});
    problem.values.push_back(std::move(value));
  }
  return problem;
}

/// A peak of `live` bytes in the middle, above what always fits.
OffloadProblem peaked(std::vector<std::vector<Gap>> values, uint64_t live, uint64_t limit) {
  OffloadProblem problem = problemOf(std::move(values), 20, limit, limit);
  problem.live[0][10] = live;
  return problem;
}

TEST(Offload, LeavesEverythingWhereItFits) {
  OffloadChoice choice = chooseOffload(peaked({{{0, 19, 20}}}, 300, 300));
  EXPECT_TRUE(choice.fits);
  EXPECT_TRUE(choice.values.empty());
  EXPECT_EQ(choice.deviceBytes[0], 300u);
  EXPECT_EQ(choice.hostBytes[0], 0u);
}

TEST(Offload, TakesWhatIsMissing) {
  // The second is enough alone, and is not taken with the first.
  OffloadChoice choice =
      chooseOffload(peaked({{{0, 19, 20}}, {{1, 18, 50}}, {{2, 17, 10}}}, 300, 250));
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(choice.values, std::vector<uint32_t>{1});
  EXPECT_EQ(choice.deviceBytes[0], 250u);
  EXPECT_EQ(choice.hostBytes[0], 50u);
  EXPECT_EQ(choice.mostExposed(), 0);
}

TEST(Offload, PrefersCopiesThatAreHidden) {
  // The first has as many bytes, but its copies end and start beside those of many others.
  std::vector<Gap> crowd;
  for (uint32_t i = 0; i < 6; ++i)
    crowd.push_back({i, 14 + i, 40});
  OffloadChoice choice = chooseOffload(peaked({crowd, {{2, 18, 40}}}, 300, 260));
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(choice.values, std::vector<uint32_t>{1});
}

TEST(Offload, LeavesToRecomputationWhatItDoesFaster) {
  std::vector<Gap> crowd;
  for (uint32_t i = 0; i < 6; ++i)
    crowd.push_back({i, 14 + i, 40});
  OffloadProblem problem = peaked({crowd}, 500, 450);
  OffloadChoice choice = chooseOffload(problem);
  EXPECT_TRUE(choice.fits);
  ASSERT_GT(choice.mostExposed(), 1);
  problem.values[0].recomputeSeconds = choice.mostExposed() / 2;
  choice = chooseOffload(problem);
  EXPECT_FALSE(choice.fits);
  EXPECT_TRUE(choice.values.empty());
}

TEST(Offload, KeepsTheHostsLimit) {
  OffloadProblem problem = peaked({{{0, 19, 50}}, {{1, 18, 30}}}, 300, 240);
  EXPECT_EQ(chooseOffload(problem).values, (std::vector<uint32_t>{0, 1}));
  problem.hostLimit = 60;
  OffloadChoice choice = chooseOffload(problem);
  EXPECT_FALSE(choice.fits);
  EXPECT_EQ(choice.values, std::vector<uint32_t>{0});
  EXPECT_EQ(choice.hostBytes[0], 50u);
}

TEST(Offload, LeavesRanksThatFitAlone) {
  OffloadProblem problem = peaked({{{0, 19, 50}}, {}}, 300, 260);
  problem.times.push_back(seconds(20));
  problem.live.push_back(problem.live[0]);
  problem.limit = {300, 260};
  problem.values[1].uses = {{1, {{0, 19, 50}}}};
  OffloadChoice choice = chooseOffload(problem);
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(choice.values, std::vector<uint32_t>{1});
  EXPECT_EQ(choice.deviceBytes, (std::vector<uint64_t>{300, 260}));
}

TEST(Offload, SaysWhereNothingFits) {
  OffloadChoice choice = chooseOffload(peaked({{{0, 19, 50}}, {{9, 11, 40}}}, 300, 230));
  EXPECT_FALSE(choice.fits);
  EXPECT_EQ(choice.values, std::vector<uint32_t>{0});
  EXPECT_EQ(choice.deviceBytes[0], 250u);
}

/// A rank that runs forwards and backwards in turn, eight microbatches in flight, sixty values
/// each.
OffloadProblem steady(uint32_t microbatches) {
  uint32_t count = 2 * microbatches;
  OffloadProblem problem = problemOf(std::vector<std::vector<Gap>>(60), count, 0, 0);
  problem.host = {100, 1e-3};
  for (uint32_t value = 0; value < 60; ++value)
    for (uint32_t after = 0; after + 17 < count; after += 2) {
      uint64_t bytes = 1 + value % 7;
      problem.values[value].uses[0].gaps.push_back({after, after + 17, bytes});
      for (uint32_t at = after; at <= after + 17; ++at)
        problem.live[0][at] += bytes;
    }
  problem.limit[0] = problem.live[0][count / 2] / 2;
  return problem;
}

TEST(Offload, DoesNotDependOnTheLengthOfAStep) {
  OffloadChoice few = chooseOffload(steady(64)), many = chooseOffload(steady(4096));
  EXPECT_TRUE(few.fits);
  EXPECT_FALSE(few.values.empty());
  EXPECT_EQ(few.values, many.values);
  EXPECT_EQ(few.deviceBytes, many.deviceBytes);
  EXPECT_EQ(few.hostBytes, many.hostBytes);
}

/// What is chosen is what its trips come to, and no choice of fewer seconds was passed over by
/// much.
TEST(Offload, AgreesWithAllChoicesOfSmallProblems) {
  std::mt19937 random(11);
  auto upTo = [&](uint32_t most) { return static_cast<uint32_t>(random() % (most + 1)); };
  int fitting = 0, dearer = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<Gap>> values(1 + upTo(4));
    std::vector<uint64_t> live(30, 100);
    for (std::vector<Gap> &gaps : values) {
      uint64_t bytes = 1 + upTo(60);
      for (uint32_t i = 0, count = 1 + upTo(3); i < count; ++i) {
        uint32_t after = upTo(25), before = after + 2 + upTo(27 - after);
        gaps.push_back({after, before, bytes});
        for (uint32_t at = after; at <= before; ++at)
          live[at] += bytes;
      }
    }
    OffloadProblem problem = problemOf(values, 30, 0, 120 + upTo(200));
    problem.live[0] = live;

    std::optional<double> least;
    for (uint32_t chosen = 0; chosen < 1u << values.size(); ++chosen) {
      std::vector<Gap> gaps;
      for (size_t value = 0; value < values.size(); ++value)
        if (chosen >> value & 1)
          gaps.insert(gaps.end(), values[value].begin(), values[value].end());
      Trips trips = planTrips(problem.times[0], gaps, host);
      std::vector<uint64_t> device = live;
      for (size_t i = 0; i < gaps.size(); ++i)
        for (uint32_t at = trips.of[i].gone; at < trips.of[i].back; ++at)
          device[at] -= gaps[i].bytes;
      if (*std::max_element(device.begin(), device.end()) <= problem.limit[0])
        least = std::min(least.value_or(1e9), trips.exposed);
    }

    OffloadChoice choice = chooseOffload(problem);
    if (!choice.fits)
      continue;
    ASSERT_TRUE(least.has_value()) << round;
    EXPECT_LE(choice.deviceBytes[0], problem.limit[0]) << round;
    ++fitting;
    dearer += choice.mostExposed() > 1.5 * *least + 3;
  }
  EXPECT_GT(fitting, 60);
  EXPECT_LT(dearer * 10, fitting);
}

} // namespace
