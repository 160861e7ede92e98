//===- SeparateStagesTest.cpp - Encoder and generator on their own ranks --===//

#include "Random.h"
#include "Reference.h"
#include "bigmac/Planning/Verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

uint32_t own(const RankPlacement &placement, uint32_t ranks, Component component) {
  switch (component) {
  case Component::Encoder:
    return placement.llm.first;
  case Component::Llm:
    return placement.llm.count;
  case Component::Generator:
    return ranks - placement.llm.end();
  }
  return 0;
}

TEST(Split, RanksGoWhereTheWorkIs) {
  // For one microbatch the LLM works 24, the encoder 9, the generator 18: three LLM ranks take 8,
  // two encoder ranks 4.5 and three generator ranks 6, and no other split of eight is as fast.
  Problem problem = problemOf(8, 2, 64, costsOf({0.5, 1, 3, 6, 6, 12}));
  Result<Split> split = searchSplit(problem);
  ASSERT_TRUE(split) << split.message();
  EXPECT_EQ(split->placement, (RankPlacement{{2, 3}, {0, 2}, {5, 3}}));
  EXPECT_TRUE(split->complete);
  std::optional<Built> built = build(ScheduleKind::SeparateStages, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
  EXPECT_EQ(built->figures.makespan, split->makespan);
  EXPECT_DOUBLE_EQ(built->figures.bound, 64 * 8);
}

TEST(Split, IsTheFastestOfAll) {
  Random random(11);
  for (int round = 0; round < 12; ++round) {
    const uint32_t ranks = 3 + random.below(4), chunks = 1 + random.below(2);
    const uint32_t microbatches = 4 + random.below(12);
    Costs costs =
        costsOf({1, 2, 1.0 + random.below(9), 2, 1.0 + random.below(9), 3, 0.25 * random.below(3)});
    Problem problem = problemOf(ranks, chunks, microbatches, costs);
    Result<Split> split = searchSplit(problem);
    ASSERT_TRUE(split) << split.message();
    double fastest = std::numeric_limits<double>::infinity();
    for (uint32_t e = 1; e + 2 <= ranks; ++e) {
      for (uint32_t g = 1; e + g + 1 <= ranks; ++g) {
        Problem placed = problem;
        placed.placement = RankPlacement{{e, ranks - e - g}, {0, e}, {ranks - g, g}};
        placed.costs = recutLlm(costs, ranks * chunks, (ranks - e - g) * chunks);
        std::optional<Built> built = build(ScheduleKind::SeparateStages, placed);
        ASSERT_TRUE(built);
        ASSERT_EQ(findFault(*built), "");
        fastest = std::min(fastest, built->figures.makespan);
      }
    }
    EXPECT_NEAR(split->makespan, fastest, 1e-9 * fastest) << "round " << round;
  }
}

TEST(Split, TooFewRanksJoin) {
  for (uint32_t ranks : {1u, 2u}) {
    Problem problem = problemOf(ranks, 2, 7, costsOf({0.5, 1, 3, 6, 6, 12, 0.5}));
    Result<Split> split = searchSplit(problem);
    ASSERT_TRUE(split) << split.message();
    EXPECT_EQ(split->placement, (RankPlacement{{0, ranks}, {0, 1}, {ranks - 1, 1}}));
    std::optional<Built> built = build(ScheduleKind::SeparateStages, problem);
    ASSERT_TRUE(built);
    EXPECT_EQ(findFault(*built), "");
  }
  // Two ranks are enough for an encoder and an LLM, and one for an LLM.
  Result<Split> two = searchSplit(problemOf(2, 1, 4, costsOf({1, 2, 1, 2})));
  ASSERT_TRUE(two);
  EXPECT_EQ(two->placement.llm, (RankRange{1, 1}));
  EXPECT_EQ(two->placement.encoder, (RankRange{0, 1}));
  Result<Split> one = searchSplit(problemOf(1, 1, 4, costsOf({1, 2})));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->placement.llm, (RankRange{0, 1}));
  EXPECT_EQ(one->placement.encoder.count + one->placement.generator.count, 0u);
}

TEST(Split, MemoryIsConstantInMicrobatches) {
  for (uint32_t microbatches : {32u, 64u, 128u}) {
    std::optional<Built> built = build(ScheduleKind::SeparateStages,
                                       problemOf(6, 1, microbatches, costsOf({1, 2, 2, 4, 3, 6})));
    ASSERT_TRUE(built);
    EXPECT_EQ(findFault(*built), "");
    EXPECT_LE(built->figures.peakEncoderUnits, 8u);
    EXPECT_EQ(built->figures.peakGeneratorUnits, 1u);
    EXPECT_LE(built->figures.peakLlmMicrobatches, 8);
  }
}

TEST(Split, RandomProblemsAreValid) {
  Random random(12);
  for (int round = 0; round < 200; ++round) {
    Problem problem = randomProblem(random);
    std::optional<Built> built = build(ScheduleKind::SeparateStages, problem);
    ASSERT_TRUE(built) << "round " << round;
    ASSERT_EQ(findFault(*built), "") << "round " << round;
    const RankPlacement &placement = *built->problem.placement;
    EXPECT_EQ(own(placement, problem.ranks, Component::Encoder) +
                  own(placement, problem.ranks, Component::Llm) +
                  own(placement, problem.ranks, Component::Generator),
              problem.ranks);
    EXPECT_GE(built->figures.makespan, built->figures.bound * (1 - 1e-12));
  }
}

// What is cut anew costs as much as before, and evenly.
TEST(Recut, KeepsTheTotals) {
  Random random(13);
  for (int round = 0; round < 200; ++round) {
    Problem problem = randomProblem(random);
    const uint32_t stages = problem.ranks * problem.chunks, newStages = 1 + random.below(9);
    Costs recut = recutLlm(problem.costs, stages, newStages);
    ASSERT_TRUE(validateCosts(recut, newStages, 1, problem.microbatches));
    auto total = [](const Costs &costs, uint32_t count) {
      double forward = 0, input = 0, weight = 0;
      for (uint32_t s = 0; s < count; ++s) {
        forward += costs.llmForward.at(s);
        input += costs.llmBackwardInput.at(s).value_or(0);
        weight += costs.llmBackwardWeight.at(s);
      }
      return std::array<double, 3>{forward, input, weight};
    };
    std::array<double, 3> before = total(problem.costs, stages), after = total(recut, newStages);
    for (size_t i = 0; i < before.size(); ++i)
      EXPECT_NEAR(after[i], before[i], 1e-6 * (1 + before[i]));
    double all = before[0] + before[1] + before[2];
    for (uint32_t s = 0; s < newStages; ++s)
      EXPECT_NEAR(recut.llmForward.at(s) + recut.llmBackwardInput.at(s).value_or(0) +
                      recut.llmBackwardWeight.at(s),
                  all / newStages, 1e-6 * (1 + all));
  }
}

// Stages that are trained alike become alike, whatever they were.
TEST(Recut, EachPhaseIsSharedEvenly) {
  Costs costs = costsOf({});
  costs.llmForward = std::vector<double>{1, 2, 3, 6};
  costs.llmBackwardInput = std::vector<std::optional<double>>{6, 3, 2, 1};
  costs.llmBackwardWeight = std::vector<double>{1, 1, 1, 3};
  Costs recut = recutLlm(costs, 4, 3);
  for (uint32_t stage = 0; stage < 3; ++stage) {
    EXPECT_DOUBLE_EQ(recut.llmForward.at(stage), 4);
    EXPECT_DOUBLE_EQ(*recut.llmBackwardInput.at(stage), 4);
    EXPECT_DOUBLE_EQ(recut.llmBackwardWeight.at(stage), 2);
  }
}

TEST(Recut, FrozenStagesStayInFront) {
  Costs costs = costsOf({});
  costs.llmForward = std::vector<double>{2, 2, 1, 1};
  costs.llmBackwardInput = std::vector<std::optional<double>>{std::nullopt, std::nullopt, 1, 1};
  costs.llmBackwardWeight = std::vector<double>{0, 0, 0, 0};
  Costs recut = recutLlm(costs, 4, 2);
  EXPECT_EQ(recut.llmForward.stored(), (std::vector<double>{4, 2}));
  EXPECT_EQ(recut.llmBackwardInput.at(0), std::nullopt);
  EXPECT_EQ(recut.llmBackwardInput.at(1), 2);
}

TEST(Split, MemoryLimitsAreKeptOrRefusedWithTheLeastThatWorks) {
  Random random(14);
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    Problem problem = randomProblem(random);
    problem.costs.activationBytes = ActivationBytes{uint64_t(1 + random.below(9)), uint64_t(1),
                                                    1 + random.below(50), 1 + random.below(50)};
    problem.memoryLimit = random.below(100);
    Result<Split> split = searchSplit(problem);
    if (split) {
      std::optional<Built> built = build(ScheduleKind::SeparateStages, problem);
      ASSERT_TRUE(built);
      EXPECT_LE(*std::max_element(built->figures.peakBytes.begin(), built->figures.peakBytes.end()),
                *problem.memoryLimit);
      continue;
    }
    ++refused;
    std::string message = split.message();
    size_t at = message.find("works with this schedule is ");
    ASSERT_NE(at, std::string::npos) << message;
    problem.memoryLimit = std::stoull(message.substr(at + 28));
    EXPECT_TRUE(searchSplit(problem));
    problem.memoryLimit = *problem.memoryLimit - 1;
    EXPECT_FALSE(searchSplit(problem));
  }
  EXPECT_GT(refused, 10);
}

// Actions on ranks that do not have their component are refused.
TEST(Split, ActionsOnForeignRanks) {
  Problem problem = problemOf(4, 1, 6, costsOf({1, 2, 1, 2, 1, 2}));
  std::optional<Built> built = build(ScheduleKind::SeparateStages, problem);
  ASSERT_TRUE(built);
  Workload workload = workloadOf(built->problem.costs, 4, 1, 6, built->problem.placement);
  StandardDependencies dependencies(workload);
  EXPECT_TRUE(verifySchedule(built->schedule, workload, dependencies));
  Schedule foreign = built->schedule;
  foreign.orders[0].push_back(Action::llm(Phase::Forward, 0, 0));
  Status status = verifySchedule(foreign, workload, dependencies);
  ASSERT_FALSE(status);
  EXPECT_NE(status.message().find("F(chunk 0, microbatch 0) on rank 0: the llm is not placed on "
                                  "this rank"),
            std::string::npos)
      << status.message();
  foreign = built->schedule;
  foreign.placement.reset();
  EXPECT_FALSE(verifySchedule(foreign, workload, dependencies));
}

} // namespace
