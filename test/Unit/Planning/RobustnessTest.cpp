//===- RobustnessTest.cpp - Schedules under other times than planned ------===//

#include "bigmac/Planning/Robustness.h"
#include "Random.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

TEST(Images, FollowTheirDistribution) {
  const Jitter jitter{0, 7, true};
  constexpr uint32_t count = 200000;
  double sum = 0;
  uint32_t ones = 0, nine = 0, thirtySeven = 0, most = 0;
  for (uint32_t m = 0; m < count; ++m) {
    uint32_t images = imagesIn(jitter, Component::Encoder, m);
    ASSERT_GE(images, 1u);
    ASSERT_LE(images, mostImages);
    sum += images;
    ones += images <= 2;
    nine += images >= 9;
    thirtySeven += images >= 37;
    most = std::max(most, images);
  }
  EXPECT_NEAR(sum / count, meanImages(), 0.1);
  EXPECT_NEAR(double(ones) / count, 1 - 16.0 / 36, 0.01);
  EXPECT_NEAR(double(nine) / count, 1.0 / 9, 0.005);
  EXPECT_NEAR(double(thirtySeven) / count, 0.01, 0.002);
  EXPECT_EQ(most, mostImages);
}

TEST(Images, ChangeEncoderAndGeneratorOnly) {
  Costs costs = costsOf({1, 2, 3, 6, 5, 10});
  std::optional<Built> built = build(ScheduleKind::BigMac, problemOf(2, 1, 8, costs));
  ASSERT_TRUE(built);
  const Jitter jitter{0, 3, true};
  for (uint32_t rank = 0; rank < 2; ++rank) {
    for (const Action &action : built->schedule.orders[rank]) {
      double planned = secondsOf(costs, built->schedule, rank, action);
      double varied = secondsOf(costs, built->schedule, rank, action, jitter);
      double factor = action.component == Component::Llm
                          ? 1
                          : imagesIn(jitter, action.component, action.microbatch) / meanImages();
      EXPECT_DOUBLE_EQ(varied, planned * factor);
    }
  }
  // Encoder and generator have images of their own.
  int different = 0;
  for (uint32_t m = 0; m < 100; ++m)
    different +=
        imagesIn(jitter, Component::Encoder, m) != imagesIn(jitter, Component::Generator, m);
  EXPECT_GT(different, 50);
}

TEST(Robustness, IsWhatSingleExecutionsGive) {
  Random random(21);
  for (int round = 0; round < 40; ++round) {
    Problem problem = randomProblem(random);
    std::optional<Built> built =
        build(round % 2 ? ScheduleKind::BigMac : ScheduleKind::SeparateStages, problem);
    ASSERT_TRUE(built);
    StandardDependencies dependencies(workloadOf(built->problem.costs, problem.ranks,
                                                 problem.chunks, problem.microbatches,
                                                 built->problem.placement));
    Result<std::vector<Spread>> spreads =
        measureRobustness(built->schedule, dependencies, built->problem.costs, 5, 3);
    ASSERT_TRUE(spreads) << spreads.message();
    ASSERT_EQ(spreads->size(), problem.costs.encoder || problem.costs.generator ? 3u : 2u);
    for (const Spread &spread : *spreads) {
      double sum = 0, worst = 0, bound = 0;
      for (uint64_t seed : {5, 6, 7}) {
        const Jitter jitter{spread.variation.amount, seed, spread.variation.images};
        Result<Timing> timing =
            execute(built->schedule, dependencies, built->problem.costs, jitter);
        ASSERT_TRUE(timing);
        sum += timing->makespan;
        worst = std::max(worst, timing->makespan);
        bound +=
            measure(built->schedule, *timing, dependencies, built->problem.costs, jitter)->bound;
      }
      EXPECT_NEAR(spread.mean, sum / 3, 1e-9 * (1 + sum));
      EXPECT_EQ(spread.worst, worst);
      EXPECT_NEAR(spread.meanBound, bound / 3, 1e-9 * (1 + bound));
      EXPECT_GE(spread.mean, spread.meanBound * (1 - 1e-12));
    }
  }
}

double imagesMean(const Built &built) {
  const Problem &problem = built.problem;
  StandardDependencies dependencies(
      workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches));
  Result<std::vector<Spread>> spreads =
      measureRobustness(built.schedule, dependencies, problem.costs, 0, 10);
  return spreads ? spreads->back().mean : 0;
}

// With expensive encoders and generators on eight ranks there is something to gain, by other draws
// than those that the plan was chosen by.
TEST(RobustPlan, LosesLessWhenImageCountsVary) {
  Problem problem = problemOf(8, 2, 64, costsOf({0.5, 1, 3, 6, 6, 12}));
  for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::BigMacZb}) {
    problem.robust = false;
    std::optional<Built> fast = build(kind, problem);
    problem.robust = true;
    std::optional<Built> robust = build(kind, problem);
    ASSERT_TRUE(fast && robust);
    EXPECT_EQ(findFault(*robust), "");
    EXPECT_LE(robust->figures.makespan, fast->figures.makespan * 1.01);
    EXPECT_LT(imagesMean(*robust), 0.97 * imagesMean(*fast)) << scheduleName(kind);
  }
}

TEST(RobustPlan, IsWithinOnePercentAndTheLimit) {
  Random random(22);
  for (int round = 0; round < 60; ++round) {
    Problem problem = randomProblem(random);
    problem.costs.activationBytes = ActivationBytes{uint64_t(1 + random.below(9)), uint64_t(1),
                                                    1 + random.below(50), 1 + random.below(50)};
    const ScheduleKind kind = round % 3 ? ScheduleKind::BigMac : ScheduleKind::BigMacZb;
    std::optional<Built> fast = build(kind, problem);
    ASSERT_TRUE(fast);
    problem.memoryLimit =
        *std::max_element(fast->figures.peakBytes.begin(), fast->figures.peakBytes.end());
    fast = build(kind, problem);
    problem.robust = true;
    std::optional<Built> robust = build(kind, problem);
    ASSERT_TRUE(fast && robust) << "round " << round;
    EXPECT_EQ(findFault(*robust), "");
    EXPECT_LE(robust->figures.makespan, fast->figures.makespan * 1.01 + 1e-9) << "round " << round;
    EXPECT_LE(*std::max_element(robust->figures.peakBytes.begin(), robust->figures.peakBytes.end()),
              *problem.memoryLimit);
  }
}

} // namespace
