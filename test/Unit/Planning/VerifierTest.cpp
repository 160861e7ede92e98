//===- VerifierTest.cpp - Planted faults are rejected ---------------------===//

#include "bigmac/Planning/Verifier.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

class Planted : public testing::Test {
protected:
  Planted()
      : problem(problemOf(4, 2, 10, costsOf({0.5, 1, 1, 2, 1, 2}))),
        workload(workloadOf(problem.costs, 4, 2, 10)), dependencies(workload) {
    Result<Schedule> built = buildSchedule(ScheduleKind::BigMac, problem);
    EXPECT_TRUE(built);
    schedule = *built;
  }

  size_t find(uint32_t rank, const Action &action) {
    auto found = std::find(schedule.orders[rank].begin(), schedule.orders[rank].end(), action);
    EXPECT_NE(found, schedule.orders[rank].end());
    return found - schedule.orders[rank].begin();
  }

  std::string verdict() {
    Status status = verifySchedule(schedule, workload, dependencies);
    return status ? "" : status.message();
  }

  void expectRejected(const std::vector<std::string> &evidence) {
    std::string message = verdict();
    ASSERT_NE(message, "");
    for (const std::string &part : evidence)
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }

  Problem problem;
  Workload workload;
  StandardDependencies dependencies;
  Schedule schedule;
};

TEST_F(Planted, NothingIsAccepted) { EXPECT_EQ(verdict(), ""); }

TEST_F(Planted, DroppedAction) {
  schedule.orders[2].erase(schedule.orders[2].begin() +
                           find(2, Action::llm(Phase::Backward, 1, 7)));
  expectRejected({"B(chunk 1, microbatch 7) on rank 2", "missing"});
}

TEST_F(Planted, DroppedUnit) {
  schedule.orders[1].erase(schedule.orders[1].begin() +
                           find(1, Action::ofUnit(Component::Encoder, Phase::Backward, 1, 4, 1)));
  expectRejected({"EB(unit 1, microbatch 5) on rank 1", "missing"});
}

TEST_F(Planted, DoubledAction) {
  schedule.orders[3].push_back(Action::llm(Phase::Forward, 0, 3));
  expectRejected({"F(chunk 0, microbatch 3) on rank 3", "twice"});
}

TEST_F(Planted, DoubledUnit) {
  schedule.orders[0].push_back(
      Action::ofUnit(Component::Generator, Phase::ForwardBackward, 0, 4, 0));
  expectRejected({"G(unit 0, microbatch 0) on rank 0", "twice"});
}

TEST_F(Planted, ActionOnTheWrongRank) {
  schedule.orders[0].push_back(Action::ofUnit(Component::Encoder, Phase::Forward, 0, 4, 1));
  expectRejected({"EF(unit 0, microbatch 1) on rank 0", "not part of the program"});
}

TEST_F(Planted, PaddedMicrobatch) {
  schedule.orders[0].push_back(Action::llm(Phase::Forward, 0, 10));
  expectRejected({"F(chunk 0, microbatch 10) on rank 0"});
}

TEST_F(Planted, WrongUnit) {
  schedule.orders[1][find(1, Action::ofUnit(Component::Encoder, Phase::Forward, 1, 4, 1))].unit = 2;
  expectRejected({"EF(unit 2, microbatch 5) on rank 1", "expected EF(unit 1, microbatch 5)"});
}

TEST_F(Planted, WeightGradientThatIsNotSplit) {
  schedule.orders[0].push_back(Action::llm(Phase::WeightGradient, 0, 0));
  expectRejected({"W(chunk 0, microbatch 0) on rank 0"});
}

TEST_F(Planted, SwappedActionsMakeACycle) {
  // The backward before its own forward.
  std::vector<Action> &order = schedule.orders[3];
  std::swap(order[find(3, Action::llm(Phase::Forward, 1, 0))],
            order[find(3, Action::llm(Phase::Backward, 1, 0))]);
  expectRejected({"deadlock", "B(chunk 1, microbatch 0) on rank 3"});
}

TEST_F(Planted, CycleOverRanksIsNamed) {
  // Rank 0 wants the gradient of microbatch 0 before it starts microbatch 1's forward; rank 1 the
  // other way round.
  Problem small = problemOf(2, 1, 2, costsOf({1, 2}));
  StandardDependencies needs(workloadOf(small.costs, 2, 1, 2));
  Schedule cyclic;
  cyclic.ranks = 2;
  cyclic.chunks = 1;
  cyclic.microbatches = 2;
  Action f0 = Action::llm(Phase::Forward, 0, 0), f1 = Action::llm(Phase::Forward, 0, 1);
  Action b0 = Action::llm(Phase::Backward, 0, 0), b1 = Action::llm(Phase::Backward, 0, 1);
  cyclic.orders = {{f0, b0, f1, b1}, {f1, b1, f0, b0}};
  Status status = verifySchedule(cyclic, workloadOf(small.costs, 2, 1, 2), needs);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.message(),
            "deadlock: B(chunk 0, microbatch 0) on rank 0 waits for B(chunk 0, microbatch 0) on "
            "rank 1, which comes after F(chunk 0, microbatch 1) on rank 1 there; F(chunk 0, "
            "microbatch 1) on rank 1 waits for F(chunk 0, microbatch 1) on rank 0, which comes "
            "after B(chunk 0, microbatch 0) on rank 0 there");
}

TEST_F(Planted, OtherCounts) {
  workload.microbatches = 11;
  expectRejected({"10 microbatches"});
}

/// Dependencies that name an action that does not exist, or one twice.
class Faulty : public Dependencies {
public:
  Faulty(const StandardDependencies &standard, Dependency extra)
      : standard(standard), extra(extra) {}
  void append(uint32_t rank, const Action &consumer,
              std::vector<Dependency> &producers) const override {
    standard.append(rank, consumer, producers);
    if (rank == 1 && consumer == Action::llm(Phase::Forward, 0, 2))
      producers.push_back(extra);
  }

private:
  const StandardDependencies &standard;
  Dependency extra;
};

TEST_F(Planted, DependencyOnNothing) {
  Faulty faulty(dependencies, {3, 9, Action::llm(Phase::Forward, 7, 2)});
  Status status = verifySchedule(schedule, workload, faulty);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.message(), "F(chunk 0, microbatch 2) on rank 1 waits for F(chunk 7, microbatch "
                              "2) on rank 3, which is not in the schedule");
}

TEST_F(Planted, TransferWithTwoReceivers) {
  Faulty faulty(dependencies, {0, LlmForwardChannel, Action::llm(Phase::Forward, 0, 2)});
  Status status = verifySchedule(schedule, workload, faulty);
  ASSERT_FALSE(status);
  EXPECT_NE(status.message().find("twice on channel"), std::string::npos) << status.message();
}

} // namespace
