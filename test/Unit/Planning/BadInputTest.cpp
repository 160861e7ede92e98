//===- BadInputTest.cpp - Problems that are refused -----------------------===//

#include "Reference.h"
#include "bigmac/Planning/Limits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

void expectError(ScheduleKind kind, const Problem &problem, const std::string &evidence) {
  Result<Schedule> schedule = buildSchedule(kind, problem);
  ASSERT_FALSE(schedule);
  EXPECT_NE(schedule.message().find(evidence), std::string::npos) << schedule.message();
}

TEST(Kinds, HaveNames) {
  for (const char *name : {"bigmac", "bigmac-zb", "1f1b", "interleaved", "gpipe", "zb",
                           "encoder-first", "separate-stages"}) {
    Result<ScheduleKind> kind = parseScheduleKind(name);
    ASSERT_TRUE(kind);
    EXPECT_EQ(scheduleName(*kind), name);
  }
  Result<ScheduleKind> unknown = parseScheduleKind("pipedream");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.message().find("'pipedream'; expected one of bigmac, "), std::string::npos);
}

TEST(Kinds, SeparateStagesNeedAPlacement) {
  expectError(ScheduleKind::SeparateStages, problemOf(4, 1, 4, costsOf({})),
              "needs encoder and generator on ranks of their own");
}

TEST(Placements, RanksThatDoNotExist) {
  Problem problem = problemOf(4, 1, 4, costsOf({1, 2, 1, 2}));
  problem.placement = RankPlacement{{1, 4}, {0, 1}, {4, 0}};
  expectError(ScheduleKind::SeparateStages, problem,
              "the placement puts the llm on 4 ranks from rank 1; there are 4");
  problem.placement = RankPlacement{{1, 0}, {0, 1}, {4, 0}};
  expectError(ScheduleKind::SeparateStages, problem, "gives the llm no rank");
  problem.placement = RankPlacement{{0, 4}, {0, 0}, {4, 0}};
  expectError(ScheduleKind::SeparateStages, problem, "gives the encoder no rank");
  problem.placement = RankPlacement{{0, 4}, {4294967295u, 2}, {4, 0}};
  expectError(ScheduleKind::SeparateStages, problem, "on 2 ranks from rank 4294967295");
}

TEST(Chunks, OneForSchedulesThatTakeOne) {
  expectError(ScheduleKind::GPipe, problemOf(2, 2, 4, costsOf({})),
              "'gpipe' takes one chunk a rank, found 2");
  expectError(ScheduleKind::OneForwardOneBackward, problemOf(2, 3, 4, costsOf({})),
              "'1f1b' takes one chunk a rank, found 3");
  expectError(ScheduleKind::Zb, problemOf(2, 2, 4, costsOf({})),
              "'zb' takes one chunk a rank, found 2");
}

TEST(Sizes, AreLimited) {
  expectError(ScheduleKind::BigMac, problemOf(0, 1, 4, costsOf({})), "ranks must be from 1 to");
  expectError(ScheduleKind::BigMac, problemOf(1, 0, 4, costsOf({})), "chunks must be from 1 to");
  expectError(ScheduleKind::BigMac, problemOf(1, 1, 0, costsOf({})), "microbatches must be from 1");
  expectError(ScheduleKind::BigMac, problemOf(5000, 1, 4, costsOf({})), "found 5000");
  expectError(ScheduleKind::BigMac, problemOf(4096, 1024, 4, costsOf({})), "use fewer");
  expectError(ScheduleKind::BigMac, problemOf(1, 1, 4294967295u, costsOf({})), "found 4294967295");
  EXPECT_TRUE(checkSize(64, 4, 4096, 3));
  EXPECT_FALSE(checkSize(1ull << 40, 1ull << 40, 1, 2));
}

TEST(BadCosts, LengthsAndValues) {
  Costs costs = costsOf({1, 2, 1, 2});
  costs.llmForward = std::vector<double>{1, 2, 3};
  expectError(ScheduleKind::BigMac, problemOf(2, 2, 4, costs),
              "llm.forward has 3 values, expected 4 (2 ranks x 2 chunks)");
  costs = costsOf({1, 2, 1, 2});
  costs.encoder->forward = std::vector<double>(5, 1.0);
  expectError(ScheduleKind::BigMac, problemOf(2, 2, 4, costs),
              "encoder.forward has 5 values, expected 4 (4 microbatches)");
  for (double value : {-1.0, std::nan(""), std::numeric_limits<double>::infinity(), 1e300}) {
    costs = costsOf({});
    costs.llmForward = value;
    expectError(ScheduleKind::BigMac, problemOf(2, 1, 4, costs), "llm.forward must be");
    costs = costsOf({});
    costs.transfer = value;
    expectError(ScheduleKind::BigMac, problemOf(2, 1, 4, costs), "transfer must be");
    costs = costsOf({});
    costs.llmBackwardInput = std::optional<double>(value);
    expectError(ScheduleKind::BigMac, problemOf(2, 1, 4, costs), "llm.backward_input of stage 0");
    costs = costsOf({});
    costs.generator = Costs::Part{1.0, PerIndex<double>(value)};
    expectError(ScheduleKind::BigMac, problemOf(2, 1, 4, costs), "generator.backward must be");
  }
}

TEST(BadCosts, FrozenStages) {
  using Stages = std::vector<std::optional<double>>;
  Costs costs = costsOf({});
  costs.llmBackwardInput = Stages{1, std::nullopt};
  costs.llmBackwardWeight = 0.0;
  expectError(ScheduleKind::BigMac, problemOf(2, 1, 4, costs),
              "stage 1 is null, but an earlier stage has a backward");
  costs.llmBackwardInput = Stages{std::nullopt, 1};
  costs.llmBackwardWeight = std::vector<double>{1, 1};
  expectError(ScheduleKind::BigMac, problemOf(2, 1, 4, costs), "backward_weight must be 0");
  costs.llmBackwardWeight = std::vector<double>{0, 1};
  EXPECT_TRUE(buildSchedule(ScheduleKind::BigMac, problemOf(2, 1, 4, costs)));
  costs.encoder = Costs::Part{1.0, PerIndex<double>(1.0)};
  expectError(ScheduleKind::BigMac, problemOf(2, 1, 4, costs), "the encoder's backward needs it");
}

TEST(BadCosts, Bytes) {
  Costs costs = costsOf({});
  Problem problem = problemOf(2, 1, 4, costs);
  problem.memoryLimit = 100;
  expectError(ScheduleKind::BigMac, problem, "needs the costs' activation_bytes");
  problem.costs.activationBytes = ActivationBytes{};
  problem.costs.activationBytes->encoder = maxActivationBytes + 1;
  expectError(ScheduleKind::BigMac, problem, "activation_bytes.encoder must be at most");
  problem.costs.activationBytes->encoder = 0;
  problem.costs.activationBytes->llm = std::vector<uint64_t>{1};
  expectError(ScheduleKind::BigMac, problem, "activation_bytes.llm has 1 values, expected 2");
}

TEST(BadCosts, ExtremesStillGiveValidSchedules) {
  for (Even even : {Even{0, 0, 1e-300, 0, 1e15, 0, 1e15}, Even{1e-12, 1e15, 1, 1, 1e-12, 1e-12},
                    Even{1e15, 1e15, 1e15, 1e15, 1e15, 1e15, 1e15}, Even{0, 0, 0, 0, 0, 0, 0}}) {
    Problem problem = problemOf(3, 2, 8, costsOf(even));
    std::optional<Built> built = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(built);
    EXPECT_EQ(findFault(*built), "");
  }
}

} // namespace
