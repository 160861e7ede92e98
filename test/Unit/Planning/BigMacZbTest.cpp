//===- BigMacZbTest.cpp - The nested pipeline, backward split -------------===//

#include "Random.h"
#include "Reference.h"
#include "bigmac/Planning/Transfers.h"
#include "bigmac/Planning/Verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

struct Row {
  uint32_t ranks, chunks, microbatches;
  Even costs;
  /// A plain list scheduler's figures, to be beaten or equalled.
  double makespan;
  uint32_t waiting;
};

void PrintTo(const Row &row, std::ostream *stream) {
  *stream << "P" << row.ranks << " V" << row.chunks << " M" << row.microbatches;
}

class ListSchedulerRow : public testing::TestWithParam<Row> {};

TEST_P(ListSchedulerRow, IsBeaten) {
  const Row &row = GetParam();
  Problem problem = problemOf(row.ranks, row.chunks, row.microbatches, costsOf(row.costs));
  std::optional<Built> built = build(ScheduleKind::BigMacZb, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
  EXPECT_LT(built->figures.makespan, row.makespan);
  EXPECT_LE(built->figures.peakPendingWeightGradients, row.waiting);
  EXPECT_LE(built->figures.peakEncoderUnits, 3u);
  EXPECT_LE(built->figures.peakGeneratorUnits, 1u);
}

INSTANTIATE_TEST_SUITE_P(Table, ListSchedulerRow,
                         testing::Values(Row{4, 1, 16, {1, 2, 1, 2}, 63, 8},
                                         Row{4, 2, 16, {0.5, 1, 1, 2, 1, 2}, 73.5, 8},
                                         Row{8, 2, 64, {0.5, 1, 3, 6, 6, 12}, 412, 16},
                                         Row{16, 2, 256, {0.5, 1, 2, 4, 4, 8}, 1066.5, 16},
                                         Row{16, 2, 64, {0.5, 1, 2, 4, 4, 8}, 271.5, 32}));

/// Both tables' cases.
class NearTheBound : public testing::TestWithParam<Row> {};

TEST_P(NearTheBound, WithinOnePercentFromEightUnitsOnThreeFromFour) {
  const Row &row = GetParam();
  Problem problem = problemOf(row.ranks, row.chunks, row.microbatches, costsOf(row.costs));
  std::optional<Built> built = build(ScheduleKind::BigMacZb, problem);
  ASSERT_TRUE(built);
  const double allowed = row.microbatches >= 8 * row.ranks ? 1.01 : 1.03;
  EXPECT_LE(built->figures.makespan, allowed * built->figures.tightBound);
  // Memory is bigmac's, with up to P weight gradients more.
  std::optional<Built> nested = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(nested);
  EXPECT_LE(built->figures.peakPendingWeightGradients, row.ranks);
  EXPECT_LE(built->figures.peakLlmMicrobatches,
            nested->figures.peakLlmMicrobatches + double(row.ranks) / row.chunks);
}

INSTANTIATE_TEST_SUITE_P(Tables, NearTheBound,
                         testing::Values(Row{4, 1, 16, {1, 2, 1, 2}, 0, 0},
                                         Row{4, 2, 16, {0.5, 1, 1, 2}, 0, 0},
                                         Row{4, 2, 16, {0.5, 1, 1, 2, 1, 2}, 0, 0},
                                         Row{8, 2, 64, {0.5, 1, 3, 6, 6, 12}, 0, 0},
                                         Row{16, 2, 256, {0.5, 1, 2, 4, 4, 8}, 0, 0},
                                         Row{16, 4, 256, {0.25, 0.5, 2, 4, 4, 8}, 0, 0},
                                         Row{16, 2, 64, {0.5, 1, 2, 4, 4, 8}, 0, 0}));

/// Uneven stages, microbatches whose encoder and generator times vary, transfers, frozen encoders.
class Uneven {
public:
  explicit Uneven(uint64_t seed) : engine(seed) {}

  Problem next() {
    Problem problem;
    problem.ranks = 2 + below(15);
    problem.chunks = 1 + below(4);
    problem.microbatches = problem.ranks * (1 + below(4)) + below(problem.ranks);
    problem.costs = costs(problem);
    return problem;
  }
  uint32_t below(uint32_t count) { return static_cast<uint32_t>(engine() % count); }

private:
  double fraction() { return static_cast<double>(engine() >> 11) * 0x1.0p-53; }

  Costs costs(const Problem &problem) {
    Costs costs;
    std::vector<double> forward, weight;
    std::vector<std::optional<double>> input;
    const double uneven = below(3) ? 0.5 * fraction() : 0;
    for (uint32_t s = 0; s < problem.ranks * problem.chunks; ++s) {
      double seconds = (1 + uneven * (2 * fraction() - 1)) / problem.chunks;
      forward.push_back(seconds);
      input.push_back(1.1 * seconds);
      weight.push_back(0.9 * seconds);
    }
    costs.llmForward = forward;
    costs.llmBackwardInput = input;
    costs.llmBackwardWeight = weight;
    if (below(3))
      costs.encoder = part(problem.microbatches);
    if (below(3))
      costs.generator = part(problem.microbatches);
    if (costs.encoder && below(6) == 0)
      costs.encoder->backward.reset();
    costs.transfer = below(2) ? 0.1 * fraction() : 0;
    costs.activationBytes = ActivationBytes{uint64_t(10 + below(90)), uint64_t(1 + below(120)),
                                            1 + below(900u), 1 + below(900u)};
    return costs;
  }

  Costs::Part part(uint32_t microbatches) {
    std::vector<double> forward, backward;
    const double mean = 0.3 + 4 * fraction(), varies = below(2) ? 0.5 * fraction() : 0;
    for (uint32_t m = 0; m < microbatches; ++m) {
      forward.push_back(mean * (1 + varies * (2 * fraction() - 1)));
      backward.push_back(2 * forward.back());
    }
    return {forward, PerIndex<double>(backward)};
  }

  std::mt19937_64 engine;
};

uint64_t mostBytes(const Built &built) {
  return *std::max_element(built.figures.peakBytes.begin(), built.figures.peakBytes.end());
}

TEST(RandomCases, NeverSlowerThanBigMacAndWithinTheLimit) {
  Uneven random(11);
  double nestedAbove = 0, splitAbove = 0;
  for (int round = 0; round < 200; ++round) {
    Problem problem = random.next();
    problem.effort = round % 8 == 0;
    std::optional<Built> nested = build(ScheduleKind::BigMac, problem);
    std::optional<Built> split = build(ScheduleKind::BigMacZb, problem);
    ASSERT_TRUE(nested && split) << "round " << round;
    if (round % 4 == 0)
      ASSERT_EQ(findFault(*split), "") << "round " << round;
    EXPECT_LE(split->figures.makespan, nested->figures.makespan * (1 + 1e-9)) << "round " << round;
    nestedAbove += nested->figures.makespan / split->figures.tightBound - 1;
    splitAbove += split->figures.makespan / split->figures.tightBound - 1;

    if (round % 2 == 0)
      continue;
    // What bigmac needs is enough.
    problem.memoryLimit = mostBytes(*nested) * (4 + random.below(3)) / 4;
    Result<Schedule> limited = buildSchedule(ScheduleKind::BigMacZb, problem);
    ASSERT_TRUE(limited) << limited.message();
    Workload workload =
        workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches);
    StandardDependencies dependencies(workload);
    ASSERT_TRUE(verifySchedule(*limited, workload, dependencies)) << "round " << round;
    Result<Timing> timing = execute(*limited, dependencies, problem.costs);
    ASSERT_TRUE(timing);
    Result<Figures> figures = measure(*limited, *timing, dependencies, problem.costs);
    ASSERT_TRUE(figures);
    EXPECT_LE(*std::max_element(figures->peakBytes.begin(), figures->peakBytes.end()),
              *problem.memoryLimit)
        << "round " << round;
    EXPECT_LE(figures->makespan, nested->figures.makespan * (1 + 1e-9)) << "round " << round;
    // What crosses ranks can be sent: with finite buffers, by sends that block.
    if (round % 8 != 1)
      continue;
    Result<TransferPlan> plan = matchTransfers(*limited, dependencies);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(
        proveTransfers(*limited, dependencies, *plan, buffersForTiming(*limited, *plan, *timing)))
        << "round " << round;
  }
  // On average the split backward takes away most of what bigmac loses.
  EXPECT_LT(splitAbove, nestedAbove / 2);
}

// A waiting weight gradient that holds more than its activation did needs more than bigmac: then
// backwards stay whole, unless the program is split already, which is an error.
TEST(MemoryLimit, MayLeaveOnlyWholeBackwards) {
  Costs costs = costsOf({1, 2});
  costs.activationBytes = ActivationBytes{uint64_t(10), uint64_t(30), 0, 0};
  Problem problem = problemOf(2, 1, 8, costs);
  problem.memoryLimit = 20;
  std::optional<Built> built = build(ScheduleKind::BigMacZb, problem);
  ASSERT_TRUE(built);
  EXPECT_FALSE(built->schedule.splitBackward);
  EXPECT_EQ(mostBytes(*built), 20u);
  StandardDependencies dependencies(workloadOf(costs, 2, 1, 8));
  problem.dependencies = &dependencies;
  Result<Schedule> refused = buildSchedule(ScheduleKind::BigMacZb, problem);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.message().find("the least limit that works with this schedule is 40 bytes"),
            std::string::npos)
      << refused.message();
  problem.memoryLimit = 40;
  EXPECT_TRUE(buildSchedule(ScheduleKind::BigMacZb, problem));
}

uint64_t leastLimitIn(const std::string &message) {
  static constexpr std::string_view before = "the least limit that works with this schedule is ";
  const size_t at = message.find(before);
  return at == std::string::npos ? 0 : std::stoull(message.substr(at + before.size()));
}

// A limit that is refused names one that works, and none that the same schedule without a limit, or
// bigmac, would keep.
TEST(MemoryLimit, ThatIsNamedWorks) {
  Random random(31);
  int refusals = 0;
  for (int round = 0; round < 60; ++round) {
    Problem problem = randomProblem(random);
    problem.chunks = round % 3 == 0 ? 1 : problem.chunks;
    const ScheduleKind kind = round % 3 == 0 ? ScheduleKind::Zb : ScheduleKind::BigMacZb;
    if (round % 3 == 0)
      problem = problemOf(problem.ranks, 1, problem.microbatches, costsOf({1, 2, 1, 2, 2, 4}));
    problem.costs.activationBytes =
        ActivationBytes{uint64_t(1 + random.below(9)), uint64_t(1 + random.below(5)),
                        1 + random.below(50), 1 + random.below(50)};
    std::optional<Built> unlimited = build(kind, problem);
    std::optional<Built> nested = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(unlimited && nested);
    const uint64_t own = mostBytes(*unlimited);
    problem.memoryLimit = own * (1 + random.below(9)) / 10;
    Result<Schedule> refused = buildSchedule(kind, problem);
    if (refused)
      continue;
    ++refusals;
    const uint64_t least = leastLimitIn(refused.message());
    EXPECT_GT(least, *problem.memoryLimit);
    EXPECT_LE(least, own) << "round " << round;
    if (kind == ScheduleKind::BigMacZb)
      EXPECT_LE(least, mostBytes(*nested)) << "round " << round;
    problem.memoryLimit = least;
    std::optional<Built> built = build(kind, problem);
    ASSERT_TRUE(built) << "round " << round;
    EXPECT_LE(mostBytes(*built), least);
    EXPECT_EQ(findFault(*built), "");
    problem.memoryLimit = own;
    std::optional<Built> within = build(kind, problem);
    ASSERT_TRUE(within) << "round " << round;
    EXPECT_LE(within->figures.makespan, unlimited->figures.makespan * (1 + 1e-9))
        << "round " << round;
  }
  EXPECT_GT(refusals, 30);
}

TEST(Placement, OfComponentsOnSomeRanksIsRefused) {
  Problem problem = problemOf(4, 1, 8, costsOf({1, 2, 1, 2}));
  problem.placement = RankPlacement{{1, 3}, {0, 1}, {0, 0}};
  for (ScheduleKind kind : {ScheduleKind::Zb, ScheduleKind::BigMacZb}) {
    Problem limited = problem;
    StandardDependencies dependencies(workloadOf(problem.costs, 4, 1, 8, problem.placement));
    limited.dependencies = &dependencies;
    Result<Schedule> refused = buildSchedule(kind, limited);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.message().find("every component on all ranks"), std::string::npos)
        << refused.message();
  }
}

// A few units only: there is no steady state to nest units in, and local search makes the order.
TEST(Effort, Improves) {
  Uneven random(13);
  double least = 0, middle = 0, most = 0;
  for (int round = 0; round < 12; ++round) {
    Problem problem = random.next();
    problem.microbatches = std::min(problem.microbatches, problem.ranks + 2);
    problem.costs.encoder = Costs::Part{1.0, PerIndex<double>(2.0)};
    problem.costs.generator = Costs::Part{1.0, PerIndex<double>(2.0)};
    for (auto [effort, total] : {std::pair(0u, &least), {1u, &middle}, {2u, &most}}) {
      problem.effort = effort;
      std::optional<Built> built = build(ScheduleKind::BigMacZb, problem);
      ASSERT_TRUE(built);
      EXPECT_EQ(findFault(*built), "") << "round " << round << " effort " << effort;
      *total += built->figures.makespan / built->figures.tightBound;
    }
  }
  EXPECT_LT(middle, least);
  EXPECT_LT(most, middle);
}

TEST(OneUnit, IsOptimal) {
  Problem problem = problemOf(8, 1, 8, costsOf({1, 2, 1, 2, 1, 2}));
  std::optional<Built> built = build(ScheduleKind::BigMacZb, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(*built), "");
  EXPECT_EQ(built->figures.makespan, built->figures.tightBound);
}

TEST(Deterministic, SameOrdersTwice) {
  Uneven random(12);
  for (int round = 0; round < 10; ++round) {
    Problem problem = random.next();
    std::optional<Built> first = build(ScheduleKind::BigMacZb, problem);
    std::optional<Built> second = build(ScheduleKind::BigMacZb, problem);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->schedule.orders, second->schedule.orders);
  }
}

TEST(Growth, MemoryStaysConstantInMicrobatches) {
  Costs costs = costsOf({0.5, 1, 1, 2, 1, 2});
  costs.activationBytes = ActivationBytes{uint64_t(10), uint64_t(4), 100, 1000};
  uint64_t bytes = 0;
  for (uint32_t microbatches : {32u, 64u, 128u, 256u}) {
    std::optional<Built> built =
        build(ScheduleKind::BigMacZb, problemOf(4, 2, microbatches, costs));
    ASSERT_TRUE(built);
    EXPECT_LE(built->figures.peakEncoderUnits, 3u);
    EXPECT_LE(built->figures.peakPendingWeightGradients, 4u);
    bytes = bytes == 0 ? mostBytes(*built) : bytes;
    EXPECT_LE(mostBytes(*built), bytes);
  }
}

} // namespace
