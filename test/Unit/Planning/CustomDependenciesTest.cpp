//===- CustomDependenciesTest.cpp - Programs with transfers of their own --===//
//
// A compiler gives the dependencies of its program: features that enter a later layer too, or that
// the generator reads, need no new rule in the builders.
//
//===----------------------------------------------------------------------===//

#include "Reference.h"
#include "bigmac/Planning/Transfers.h"
#include "bigmac/Planning/Verifier.h"

#include <gtest/gtest.h>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

/// Features also enter stage `stage`, whose backward then has a gradient for the encoder; and the
/// generator reads them.
class Injected : public Dependencies {
public:
  Injected(Workload workload, uint32_t stage, bool intoGenerator)
      : workload(workload), standard(workload), rank(stage % workload.ranks),
        chunk(stage / workload.ranks), intoGenerator(intoGenerator) {}

  void append(uint32_t consumerRank, const Action &consumer,
              std::vector<Dependency> &producers) const override {
    standard.append(consumerRank, consumer, producers);
    uint32_t m = consumer.microbatch, owner = m % workload.ranks, unit = m / workload.ranks;
    Action features =
        Action::ofUnit(Component::Encoder, Phase::Forward, unit, workload.ranks, owner);
    Action generator =
        Action::ofUnit(Component::Generator, Phase::ForwardBackward, unit, workload.ranks, owner);
    if (consumerRank == rank && consumer == Action::llm(Phase::Forward, chunk, m))
      producers.push_back({owner, 10, features});
    if (consumer.component == Component::Encoder && consumer.phase == Phase::Backward) {
      producers.push_back({rank, 11, Action::llm(Phase::Backward, chunk, m)});
      if (intoGenerator)
        producers.push_back({owner, 12, generator});
    }
    if (intoGenerator && consumer.component == Component::Generator)
      producers.push_back({owner, 13, features});
  }

private:
  Workload workload;
  StandardDependencies standard;
  uint32_t rank, chunk;
  bool intoGenerator;
};

TEST(CustomDependencies, FeaturesIntoLaterStagesAndTheGenerator) {
  for (ScheduleKind kind :
       {ScheduleKind::BigMac, ScheduleKind::EncoderFirst, ScheduleKind::Interleaved}) {
    for (uint32_t stage = 1; stage < 8; ++stage) {
      for (uint32_t microbatches : {4u, 10u, 32u}) {
        Costs costs = costsOf({0.5, 1, 1, 2, 1, 2});
        Problem problem = problemOf(4, 2, microbatches, costs);
        Workload workload = workloadOf(costs, 4, 2, microbatches);
        Injected dependencies(workload, stage, stage % 2 == 0);
        problem.dependencies = &dependencies;
        Result<Schedule> schedule = buildSchedule(kind, problem);
        ASSERT_TRUE(schedule) << schedule.message();
        EXPECT_TRUE(verifySchedule(*schedule, workload, dependencies));
        Result<TransferPlan> plan = matchTransfers(*schedule, dependencies);
        ASSERT_TRUE(plan);
        EXPECT_TRUE(leastUniformBuffers(*schedule, dependencies, *plan));
        if (kind == ScheduleKind::BigMac && microbatches == 32) {
          // The later gradients are there before the first stage's, so the window does not grow.
          EXPECT_EQ(schedule->window, 3u);
          EXPECT_EQ(execute(*schedule, dependencies, costs)->makespan, 8 * (12 + 6) + 4.5);
        }
      }
    }
  }
}

TEST(CustomDependencies, AFrozenEncodersFeaturesLiveUntilTheirLastUse) {
  Costs costs = costsOf({1, 2, 1, 2});
  costs.encoder->backward.reset();
  Problem problem = problemOf(4, 1, 32, costs);
  Workload workload = workloadOf(costs, 4, 1, 32);
  /// Only into a later stage as well.
  class Later : public Dependencies {
  public:
    explicit Later(const Workload &workload) : standard(workload) {}
    void append(uint32_t rank, const Action &consumer,
                std::vector<Dependency> &producers) const override {
      standard.append(rank, consumer, producers);
      uint32_t m = consumer.microbatch;
      if (rank == 3 && consumer == Action::llm(Phase::Forward, 0, m))
        producers.push_back(
            {m % 4, 10, Action::ofUnit(Component::Encoder, Phase::Forward, m / 4, 4, m % 4)});
    }
    StandardDependencies standard;
  } later(workload);
  problem.dependencies = &later;
  Result<Schedule> schedule = buildSchedule(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(schedule) << schedule.message();
  // The last stage uses a unit's features after the first stage has begun the next unit.
  EXPECT_EQ(schedule->window, 2u);
  Result<Timing> timing = execute(*schedule, later, costs);
  ASSERT_TRUE(timing);
  EXPECT_EQ(timing->makespan, (32 + 3) * 3 + 8);
  Result<Figures> figures = measure(*schedule, *timing, later, costs);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->peakEncoderUnits, 2u);
}

/// Features enter the second stage only, and the first is wholly frozen: it has no backward, though
/// the encoder is trained.
class IntoTheSecondStage : public Dependencies {
public:
  explicit IntoTheSecondStage(const Workload &workload) : standard(workload) {}
  void append(uint32_t rank, const Action &consumer,
              std::vector<Dependency> &producers) const override {
    uint32_t m = consumer.microbatch;
    Action features = Action::ofUnit(Component::Encoder, Phase::Forward, m / 4, 4, m % 4);
    if (consumer.component == Component::Encoder && consumer.phase == Phase::Backward) {
      producers.push_back({rank, 0, features});
      producers.push_back({1, 11, Action::llm(Phase::Backward, 0, m)});
    } else if (rank != 0 || !(consumer == Action::llm(Phase::Forward, 0, m))) {
      standard.append(rank, consumer, producers);
    }
    if (rank == 1 && consumer == Action::llm(Phase::Forward, 0, m))
      producers.push_back({m % 4, 10, features});
  }

private:
  StandardDependencies standard;
};

TEST(CustomDependencies, ATrainedEncoderBehindAFrozenFirstStage) {
  Costs costs = costsOf({1, 2, 1, 2});
  costs.llmBackwardInput = std::vector<std::optional<double>>{std::nullopt, 1, 1, 1};
  costs.llmBackwardWeight = std::vector<double>{0, 1, 1, 1};
  Problem problem = problemOf(4, 1, 16, costs);
  Workload workload = workloadOf(costs, 4, 1, 16);
  // By the standard dependencies the encoder's gradient comes out of the first stage.
  Result<Schedule> standard = buildSchedule(ScheduleKind::BigMac, problem);
  ASSERT_FALSE(standard);
  EXPECT_NE(standard.message().find("the encoder's backward needs it"), std::string::npos);

  IntoTheSecondStage dependencies(workload);
  problem.dependencies = &dependencies;
  for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::BigMacZb, ScheduleKind::Zb,
                            ScheduleKind::EncoderFirst, ScheduleKind::GPipe}) {
    Result<Schedule> schedule = buildSchedule(kind, problem);
    ASSERT_TRUE(schedule) << scheduleName(kind) << ": " << schedule.message();
    EXPECT_TRUE(verifySchedule(*schedule, workload, dependencies));
    for (const Action &action : schedule->orders[0])
      EXPECT_FALSE(action.component == Component::Llm && action.phase != Phase::Forward);
  }
}

/// A forward that needs a later microbatch's backward: nothing can run.
class Impossible : public Dependencies {
public:
  explicit Impossible(const Workload &workload) : standard(workload) {}
  void append(uint32_t rank, const Action &consumer,
              std::vector<Dependency> &producers) const override {
    standard.append(rank, consumer, producers);
    if (rank == 0 && consumer == Action::llm(Phase::Forward, 0, 1))
      producers.push_back({0, 0, Action::llm(Phase::Backward, 0, 3)});
  }

private:
  StandardDependencies standard;
};

TEST(CustomDependencies, ThatNoOrderKeepsAreAnError) {
  for (bool units : {false, true}) {
    Costs costs = units ? costsOf({1, 2, 1, 2, 1, 2}) : costsOf({1, 2});
    Problem problem = problemOf(2, 1, 4, costs);
    Impossible dependencies(workloadOf(costs, 2, 1, 4));
    problem.dependencies = &dependencies;
    for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::GPipe}) {
      Result<Schedule> schedule = buildSchedule(kind, problem);
      ASSERT_FALSE(schedule);
      EXPECT_NE(schedule.message().find("do not fit the schedule"), std::string::npos)
          << schedule.message();
      EXPECT_NE(schedule.message().find("F(chunk 0, microbatch 1) on rank 0 waits for B(chunk 0, "
                                        "microbatch 3) on rank 0"),
                std::string::npos)
          << schedule.message();
    }
  }
}

} // namespace
