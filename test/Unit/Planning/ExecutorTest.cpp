//===- ExecutorTest.cpp - Times, jitter and figures -----------------------===//

#include "bigmac/Planning/Executor.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

/// Two ranks, one microbatch, split backward, written by hand.
struct Split {
  Split() {
    costs.llmForward = std::vector<double>{1, 2};
    costs.llmBackwardInput = std::vector<std::optional<double>>{3, 4};
    costs.llmBackwardWeight = std::vector<double>{5, 6};
    costs.transfer = 0.5;
    costs.activationBytes = ActivationBytes{uint64_t(10), uint64_t(100), 0, 0};
    schedule.ranks = 2;
    schedule.chunks = 1;
    schedule.microbatches = 1;
    schedule.splitBackward = true;
    Action f = Action::llm(Phase::Forward, 0, 0), b = Action::llm(Phase::Backward, 0, 0),
           w = Action::llm(Phase::WeightGradient, 0, 0);
    schedule.orders = {{f, b, w}, {f, b, w}};
  }
  Costs costs;
  Schedule schedule;
};

TEST(Executor, LongestPathWithTransfersAndSplitBackward) {
  Split split;
  StandardDependencies dependencies(workloadOf(split.costs, 2, 1, 1));
  Result<Timing> timing = execute(split.schedule, dependencies, split.costs);
  ASSERT_TRUE(timing);
  EXPECT_EQ(timing->start[0], (std::vector<double>{0, 8, 11}));
  EXPECT_EQ(timing->end[0], (std::vector<double>{1, 11, 16}));
  EXPECT_EQ(timing->start[1], (std::vector<double>{1.5, 3.5, 7.5}));
  EXPECT_EQ(timing->makespan, 16);
  Result<Figures> figures = measure(split.schedule, *timing, dependencies, split.costs);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->bound, 12);
  EXPECT_DOUBLE_EQ(figures->bubble, 1 - 21.0 / 32);
  EXPECT_EQ(figures->peakPendingWeightGradients, 1u);
  EXPECT_EQ(figures->peakLlmMicrobatches, 1);
  // The activation until its backward ends, then what the weight gradient waits with.
  EXPECT_EQ(figures->peakBytes, (std::vector<uint64_t>{100, 100}));
  EXPECT_EQ(figures->actions, 6u);
}

TEST(Executor, WaitingWeightGradientsAreCounted) {
  Costs costs = costsOf({1, 2});
  Schedule schedule;
  schedule.ranks = schedule.chunks = 1;
  schedule.microbatches = 3;
  schedule.splitBackward = true;
  schedule.orders.resize(1);
  for (Phase phase : {Phase::Forward, Phase::Backward, Phase::WeightGradient})
    for (uint32_t m = 0; m < 3; ++m)
      schedule.orders[0].push_back(Action::llm(phase, 0, m));
  StandardDependencies dependencies(workloadOf(costs, 1, 1, 3));
  Result<Timing> timing = execute(schedule, dependencies, costs);
  ASSERT_TRUE(timing);
  Result<Figures> figures = measure(schedule, *timing, dependencies, costs);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->peakPendingWeightGradients, 3u);
  EXPECT_EQ(figures->peakLlmMicrobatches, 3);
}

TEST(Executor, SplitGenerator) {
  Costs costs = costsOf({1, 2, 0, 0, 3, 4});
  Schedule schedule;
  schedule.ranks = schedule.chunks = 1;
  schedule.microbatches = 2;
  schedule.splitGenerator = true;
  auto unit = [](Phase phase, uint32_t u) {
    return Action::ofUnit(Component::Generator, phase, u, 1, 0);
  };
  auto llm = [](Phase phase, uint32_t m) { return Action::llm(phase, 0, m); };
  schedule.orders = {{llm(Phase::Forward, 0), llm(Phase::Forward, 1), unit(Phase::Forward, 0),
                      unit(Phase::Forward, 1), unit(Phase::Backward, 0), unit(Phase::Backward, 1),
                      llm(Phase::Backward, 0), llm(Phase::Backward, 1)}};
  StandardDependencies dependencies(workloadOf(costs, 1, 1, 2), true);
  Result<Timing> timing = execute(schedule, dependencies, costs);
  ASSERT_TRUE(timing) << timing.message();
  EXPECT_EQ(timing->makespan, 20);
  EXPECT_EQ(measure(schedule, *timing, dependencies, costs)->peakGeneratorUnits, 2u);
  std::swap(schedule.orders[0][5], schedule.orders[0][7]);
  EXPECT_FALSE(execute(schedule, dependencies, costs));
}

TEST(Executor, DeadlockIsAnError) {
  Split split;
  std::swap(split.schedule.orders[0][0], split.schedule.orders[0][1]);
  StandardDependencies dependencies(workloadOf(split.costs, 2, 1, 1));
  Result<Timing> timing = execute(split.schedule, dependencies, split.costs);
  ASSERT_FALSE(timing);
  EXPECT_NE(timing.message().find("deadlock"), std::string::npos);
}

TEST(Executor, PerMicrobatchCosts) {
  Costs costs = costsOf({1, 2, 1, 2});
  costs.encoder->forward = std::vector<double>{1, 2, 3, 4, 5, 6};
  Problem problem = problemOf(2, 1, 6, costs);
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
  EXPECT_EQ(built->figures.bound, 2 + 4 + 6 + 3 * 2 + 6 * 3);
}

TEST(Jitter, IsSeededBoundedAndIndependentOfTheSchedule) {
  Costs costs = costsOf({1, 2, 1, 2, 1, 2});
  Problem problem = problemOf(4, 1, 16, costs);
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  std::optional<Built> other = build(ScheduleKind::EncoderFirst, problem);
  ASSERT_TRUE(built && other);
  StandardDependencies dependencies(workloadOf(costs, 4, 1, 16));
  Jitter jitter{0.3, 5};
  Result<Timing> varied = execute(built->schedule, dependencies, costs, jitter);
  Result<Timing> again = execute(built->schedule, dependencies, costs, jitter);
  ASSERT_TRUE(varied && again);
  EXPECT_EQ(varied->start, again->start);
  EXPECT_NE(varied->makespan, built->timing.makespan);
  EXPECT_NE(varied->makespan,
            execute(built->schedule, dependencies, costs, Jitter{0.3, 6})->makespan);

  // Draws fill the range evenly.
  double sum = 0, least = 2, most = 0;
  int count = 0;
  for (uint32_t m = 0; m < 16; ++m) {
    for (uint32_t rank = 0; rank < 4; ++rank) {
      Action action = Action::llm(Phase::Forward, 0, m);
      double seconds = secondsOf(costs, built->schedule, rank, action, jitter);
      EXPECT_EQ(seconds, secondsOf(costs, other->schedule, rank, action, jitter));
      sum += seconds;
      ++count;
      least = std::min(least, seconds);
      most = std::max(most, seconds);
    }
  }
  EXPECT_GE(least, 0.7);
  EXPECT_LE(most, 1.3);
  EXPECT_LT(least, 0.8);
  EXPECT_GT(most, 1.2);
  EXPECT_NEAR(sum / count, 1, 0.1);
  EXPECT_FALSE(execute(built->schedule, dependencies, costs, Jitter{std::nan(""), 0}));
  EXPECT_FALSE(execute(built->schedule, dependencies, costs, Jitter{-0.1, 0}));
}

} // namespace
