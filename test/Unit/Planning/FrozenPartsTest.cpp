//===- FrozenPartsTest.cpp - Schedules of partly frozen models ------------===//

#include "Reference.h"

#include <gtest/gtest.h>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

size_t countKind(const Built &built, std::string_view kind) {
  size_t count = 0;
  for (const auto &order : built.schedule.orders)
    for (const Action &action : order)
      count += kindName(action) == kind;
  return count;
}

TEST(FrozenEncoder, HasNoBackwardAndDiesWithItsLastUse) {
  Costs costs = costsOf({1, 2, 1, 2});
  costs.encoder->backward.reset();
  Problem problem = problemOf(4, 1, 32, costs);
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
  EXPECT_EQ(countKind(*built, "EB"), 0u);
  EXPECT_EQ(countKind(*built, "EF"), 32u);
  // The unit is used up before the next one's first use, so one at a time is enough, without losing
  // time.
  EXPECT_EQ(built->schedule.window, 1u);
  EXPECT_EQ(built->figures.peakEncoderUnits, 1u);
  EXPECT_EQ(built->figures.makespan, (32 + 3) * 3 + 8);

  std::optional<Built> first = build(ScheduleKind::EncoderFirst, problem);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->figures.peakEncoderUnits, 8u);
  EXPECT_EQ(first->figures.makespan, built->figures.makespan);
}

TEST(FrozenLlm, StillPassesGradientsToTheEncoder) {
  Costs costs = costsOf({1, 2, 1, 2});
  costs.llmBackwardWeight = 0.0;
  Problem problem = problemOf(4, 2, 16, costs);
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
  EXPECT_EQ(countKind(*built, "B"), 4u * 2 * 16);
  EXPECT_FALSE(workloadOf(costs, 4, 2, 16).stageWeightGradient[0]);
}

TEST(FrozenLlm, WithoutTrainedEncoderHasNoBackward) {
  Costs costs = costsOf({1, 2, 1, 2, 1, 2});
  costs.encoder->backward.reset();
  costs.llmBackwardInput = std::optional<double>();
  costs.llmBackwardWeight = 0.0;
  for (uint32_t chunks : {1u, 2u}) {
    Problem problem = problemOf(4, chunks, 16, costs);
    std::optional<Built> built = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(built);
    EXPECT_EQ(findFault(*built), "");
    EXPECT_EQ(countKind(*built, "B"), 0u);
    EXPECT_EQ(countKind(*built, "G"), 16u);
    EXPECT_EQ(built->figures.peakLlmMicrobatches, 0);
    // There is no backward to warm up for.
    EXPECT_EQ(built->schedule.warmupExtra, 0u);
  }
}

TEST(FrozenLlm, FirstStagesOnly) {
  Costs costs = costsOf({1, 2, 0, 0, 1, 2});
  costs.llmBackwardInput = std::vector<std::optional<double>>{std::nullopt, std::nullopt, 1, 1};
  costs.llmBackwardWeight = std::vector<double>{0, 0, 1, 0};
  for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::EncoderFirst,
                            ScheduleKind::OneForwardOneBackward, ScheduleKind::GPipe}) {
    Problem problem = problemOf(4, 1, 10, costs);
    std::optional<Built> built = build(kind, problem);
    ASSERT_TRUE(built);
    EXPECT_EQ(findFault(*built), "") << scheduleName(kind);
    EXPECT_EQ(countKind(*built, "B"), 20u);
  }
  Problem chunked = problemOf(2, 2, 10, costs);
  std::optional<Built> built = build(ScheduleKind::BigMac, chunked);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
}

TEST(FrozenGenerator, RunsForwardOnly) {
  Costs costs = costsOf({1, 2, 0, 0, 3, 5});
  costs.generator->backward.reset();
  Problem problem = problemOf(4, 1, 16, costs);
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
  EXPECT_EQ(built->figures.makespan, 57 + 4 * 3);
}

} // namespace
