//===- ZbTest.cpp - 1F1B with the backward split --------------------------===//

#include "Reference.h"

#include <gtest/gtest.h>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

// The paper's figures: with f = b = w, ZB-H1 idles (P-1)(f + b - w) where 1F1B idles
// (P-1)(f + b + w), and holds no more microbatches than 1F1B's first rank.
TEST(Zb, IsZbH1WithEvenCosts) {
  for (uint32_t ranks = 2; ranks <= 8; ++ranks) {
    for (uint32_t microbatches : {2 * ranks, 4 * ranks, 4 * ranks + 1}) {
      Problem problem = problemOf(ranks, 1, microbatches, costsOf({1, 2}));
      std::optional<Built> built = build(ScheduleKind::Zb, problem);
      ASSERT_TRUE(built);
      EXPECT_EQ(findFault(*built), "");
      EXPECT_TRUE(built->schedule.splitBackward);
      EXPECT_EQ(built->figures.makespan, 3.0 * microbatches + ranks - 1)
          << "P" << ranks << " M" << microbatches;
      EXPECT_LE(built->figures.peakLlmMicrobatches, ranks);
    }
  }
}

TEST(Zb, MoreMemoryGivesLongerWarmups) {
  Costs costs = costsOf({1, 2});
  costs.llmBackwardInput = std::optional<double>(1.5);
  costs.llmBackwardWeight = 0.5;
  costs.activationBytes = ActivationBytes{uint64_t(10), uint64_t(10), 0, 0};
  Problem problem = problemOf(4, 1, 16, costs);
  problem.memoryLimit = 40;
  std::optional<Built> tight = build(ScheduleKind::Zb, problem);
  problem.memoryLimit = 160;
  std::optional<Built> loose = build(ScheduleKind::Zb, problem);
  ASSERT_TRUE(tight && loose);
  // ZB-H1 idles (P-1)(f + b - w).
  EXPECT_EQ(tight->figures.makespan, 54);
  // With longer warm-ups only the last rank's start is lost.
  EXPECT_EQ(loose->figures.makespan, 51);
  for (uint64_t bytes : loose->figures.peakBytes)
    EXPECT_LE(bytes, 160u);
  problem.memoryLimit = 39;
  Result<Schedule> refused = buildSchedule(ScheduleKind::Zb, problem);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.message().find("the least limit that works with this schedule is 40 bytes"),
            std::string::npos)
      << refused.message();
}

TEST(Zb, EncoderAndGeneratorAreAsInEncoderFirst) {
  Problem problem = problemOf(4, 1, 18, costsOf({1, 2, 1, 2, 2, 4, 0.25}));
  std::optional<Built> split = build(ScheduleKind::Zb, problem);
  std::optional<Built> whole = build(ScheduleKind::OneForwardOneBackward, problem);
  ASSERT_TRUE(split && whole);
  EXPECT_EQ(findFault(*split), "");
  EXPECT_EQ(split->figures.peakEncoderUnits, 5u);
  EXPECT_LT(split->figures.makespan, whole->figures.makespan);
}

} // namespace
