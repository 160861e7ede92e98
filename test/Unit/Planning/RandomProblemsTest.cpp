//===- RandomProblemsTest.cpp - Any problem gives a valid schedule --------===//

#include "Random.h"
#include "Reference.h"
#include "bigmac/Planning/Verifier.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

constexpr ScheduleKind allKinds[] = {
    ScheduleKind::BigMac,       ScheduleKind::BigMacZb,      ScheduleKind::OneForwardOneBackward,
    ScheduleKind::Interleaved,  ScheduleKind::GPipe,         ScheduleKind::Zb,
    ScheduleKind::EncoderFirst, ScheduleKind::SeparateStages};

bool takesOneChunk(ScheduleKind kind) {
  return kind == ScheduleKind::OneForwardOneBackward || kind == ScheduleKind::GPipe ||
         kind == ScheduleKind::Zb;
}

TEST(RandomProblems, EveryScheduleIsValid) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    Problem problem = randomProblem(random);
    for (ScheduleKind kind : allKinds) {
      // Searches over splits of the backward take longest.
      if ((takesOneChunk(kind) && problem.chunks > 1) || (splitsBackward(kind) && round % 5 != 0))
        continue;
      std::optional<Built> built = build(kind, problem);
      ASSERT_TRUE(built) << "round " << round << " " << scheduleName(kind);
      ASSERT_EQ(findFault(*built), "")
          << "round " << round << " " << scheduleName(kind) << " P" << problem.ranks << " V"
          << problem.chunks << " M" << problem.microbatches;
      EXPECT_GE(built->figures.makespan, built->figures.bound * (1 - 1e-12));
    }
  }
}

TEST(RandomProblems, AreBuiltTheSameTwice) {
  Random random(2);
  for (int round = 0; round < 50; ++round) {
    Problem problem = randomProblem(random);
    std::optional<Built> first = build(ScheduleKind::BigMac, problem);
    std::optional<Built> second = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->schedule.orders, second->schedule.orders);
  }
}

// A limit changes nothing until it binds; then it is kept, or refused with the least that works.
TEST(RandomProblems, LimitsAreKeptOrRefusedWithTheLeastThatWorks) {
  Random random(3);
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    Problem problem = randomProblem(random);
    problem.costs.activationBytes = ActivationBytes{uint64_t(1 + random.below(9)), uint64_t(1),
                                                    1 + random.below(50), 1 + random.below(50)};
    std::optional<Built> free = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(free);
    uint64_t needed =
        *std::max_element(free->figures.peakBytes.begin(), free->figures.peakBytes.end());
    problem.memoryLimit = needed;
    std::optional<Built> same = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(same);
    EXPECT_EQ(same->schedule.orders, free->schedule.orders);
    if (needed == 0)
      continue;
    problem.memoryLimit = needed - 1;
    Result<Schedule> tight = buildSchedule(ScheduleKind::BigMac, problem);
    if (tight)
      continue;
    ++refused;
    // The error names a limit, and that limit works.
    std::string message = tight.message();
    size_t at = message.find("works with this schedule is ");
    ASSERT_NE(at, std::string::npos) << message;
    problem.memoryLimit = std::stoull(message.substr(at + 28));
    EXPECT_TRUE(build(ScheduleKind::BigMac, problem));
    problem.memoryLimit = *problem.memoryLimit - 1;
    EXPECT_FALSE(buildSchedule(ScheduleKind::BigMac, problem));
  }
  EXPECT_GT(refused, 10);
}

TEST(Edges, OneRankOneMicrobatchAndPartialUnits) {
  for (uint32_t ranks : {1u, 2u, 5u}) {
    for (uint32_t chunks : {1u, 3u}) {
      for (uint32_t microbatches : {1u, ranks, ranks + 1, 3 * ranks - 1, 4 * ranks}) {
        Problem problem = problemOf(ranks, chunks, microbatches, costsOf({1, 2, 1, 2, 1, 2, 0.25}));
        for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::BigMacZb,
                                  ScheduleKind::EncoderFirst, ScheduleKind::Interleaved}) {
          std::optional<Built> built = build(kind, problem);
          ASSERT_TRUE(built);
          EXPECT_EQ(findFault(*built), "")
              << scheduleName(kind) << " P" << ranks << " V" << chunks << " M" << microbatches;
        }
      }
    }
  }
}

} // namespace
