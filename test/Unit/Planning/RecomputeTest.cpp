//===- RecomputeTest.cpp - What to compute again to fit in memory ---------===//

#include "bigmac/Planning/Recompute.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

using namespace bigmac::planning;

namespace {

using Use = RecomputeTask::Use;

RecomputeProblem problemOf(std::vector<RecomputeTask> tasks, std::vector<uint64_t> bytes,
                           uint64_t limit) {
  RecomputeProblem problem;
  problem.measured.assign(tasks.size(), 0);
  problem.tasks = std::move(tasks);
  problem.bytes = std::move(bytes);
  problem.limit = limit;
  return problem;
}

TEST(Recompute, KeepsEverythingWhereItFits) {
  RecomputeProblem problem = problemOf({{{{100, 10, 0}, {20, 50, 1}}, {{0, 4, 8}}}}, {1000}, 1000);
  RecomputeChoice choice = chooseRecompute(problem);
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(choice.levels, std::vector<uint32_t>{0});
}

TEST(Recompute, EstimatesHeldBytesAndTheLargestWorkspace) {
  // Four microbatches hold 80 bytes less each; the workspace is shared with a task that takes 30.
  RecomputeProblem problem = problemOf(
      {{{{100, 10, 0}, {20, 50, 1}}, {{0, 4, 8}}}, {{{0, 30, 0}}, {{0, 0, 8}}}}, {1000}, 800);
  EXPECT_EQ(estimateBytes(problem, {1, 0}), std::vector<int64_t>{1000 - 4 * 80 + (50 - 30)});
  EXPECT_DOUBLE_EQ(addedSeconds(problem, {1, 0}), 8);
  EXPECT_TRUE(chooseRecompute(problem).fits);
}

TEST(Recompute, TakesWhatSavesTheMostForASecond) {
  // The second task saves as much in half the time.
  RecomputeProblem problem =
      problemOf({{{{100, 0, 0}, {0, 0, 2}}, {{0, 1, 4}}}, {{{100, 0, 0}, {0, 0, 1}}, {{0, 1, 4}}}},
                {500}, 400);
  EXPECT_EQ(chooseRecompute(problem).levels, (std::vector<uint32_t>{0, 1}));
}

TEST(Recompute, LeavesRanksThatFitAlone) {
  RecomputeProblem problem =
      problemOf({{{{100, 0, 0}, {0, 0, 1}}, {{0, 2, 4}}}, {{{100, 0, 0}, {0, 0, 1}}, {{1, 2, 4}}}},
                {900, 1100}, 1000);
  EXPECT_EQ(chooseRecompute(problem).levels, (std::vector<uint32_t>{0, 1}));
}

TEST(Recompute, LowersAgainWhatIsNotNeeded) {
  // The cheap step is taken first and is too little; the large one makes it unnecessary.
  RecomputeProblem problem =
      problemOf({{{{20, 0, 0}, {0, 0, 0.1}}, {{0, 1, 1}}}, {{{100, 0, 0}, {0, 0, 1}}, {{0, 1, 1}}}},
                {1000}, 900);
  EXPECT_EQ(chooseRecompute(problem).levels, (std::vector<uint32_t>{0, 1}));
}

TEST(Recompute, RaisesTasksTogetherWhereAloneEachCostsMemory) {
  // Workspace 60 is paid once: worth it for two tasks, not for one.
  RecomputeProblem problem =
      problemOf({{{{50, 0, 0}, {0, 60, 1}}, {{0, 1, 1}}}, {{{50, 0, 0}, {0, 60, 1}}, {{0, 1, 1}}}},
                {1000}, 970);
  RecomputeChoice choice = chooseRecompute(problem);
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(choice.levels, (std::vector<uint32_t>{1, 1}));
}

TEST(Recompute, SaysWhereNothingFits) {
  RecomputeProblem problem = problemOf({{{{100, 0, 0}, {60, 0, 1}}, {{0, 2, 4}}}}, {1000}, 500);
  RecomputeChoice choice = chooseRecompute(problem);
  EXPECT_FALSE(choice.fits);
  EXPECT_EQ(choice.levels, std::vector<uint32_t>{1});
}

TEST(Recompute, EstimatesFromWhereItWasMeasured) {
  RecomputeProblem problem = problemOf({{{{100, 10, 0}, {20, 50, 1}}, {{0, 4, 8}}}}, {720}, 720);
  problem.measured = {1};
  EXPECT_EQ(estimateBytes(problem, {0}), std::vector<int64_t>{720 + 4 * 80 - 40});
  EXPECT_EQ(chooseRecompute(problem).levels, std::vector<uint32_t>{1});
}

/// All choices of levels, one after the other.
bool next(const RecomputeProblem &problem, std::vector<uint32_t> &levels) {
  for (size_t task = 0; task < levels.size(); ++task) {
    if (++levels[task] < problem.tasks[task].levels.size())
      return true;
    levels[task] = 0;
  }
  return false;
}

bool within(const RecomputeProblem &problem, const std::vector<uint32_t> &levels) {
  for (int64_t bytes : estimateBytes(problem, levels))
    if (bytes > static_cast<int64_t>(problem.limit))
      return false;
  return true;
}

TEST(Recompute, AgreesWithAllChoicesOfSmallProblems) {
  std::mt19937 random(7);
  auto upTo = [&](uint32_t most) { return static_cast<uint32_t>(random() % (most + 1)); };
  int fitting = 0, dearer = 0;
  for (int round = 0; round < 400; ++round) {
    uint32_t ranks = 1 + upTo(2);
    std::vector<RecomputeTask> tasks(1 + upTo(3));
    for (RecomputeTask &task : tasks) {
      uint64_t held = 200 + upTo(200);
      double seconds = 0;
      for (uint32_t level = 0, count = 1 + upTo(3); level < count; ++level) {
        task.levels.push_back({held, upTo(40), seconds});
        held -= upTo(static_cast<uint32_t>(held));
        seconds += 1 + upTo(9);
      }
      task.uses.push_back({upTo(ranks - 1), 1 + upTo(3), 8});
    }
    RecomputeProblem problem = problemOf(tasks, {}, 2000 + upTo(1500));
    for (uint32_t rank = 0; rank < ranks; ++rank)
      problem.bytes.push_back(2500 + upTo(1000));

    std::optional<double> least;
    std::vector<uint32_t> levels(tasks.size(), 0);
    do {
      if (within(problem, levels))
        least = std::min(least.value_or(1e9), addedSeconds(problem, levels));
    } while (next(problem, levels));

    RecomputeChoice choice = chooseRecompute(problem);
    EXPECT_EQ(choice.fits, within(problem, choice.levels)) << round;
    // Never claims what is not so; a rank's tasks are few, so what exists is found.
    if (choice.fits) {
      ASSERT_TRUE(least.has_value()) << round;
      ++fitting;
      dearer += addedSeconds(problem, choice.levels) > *least * 1.5 + 1;
    } else {
      EXPECT_FALSE(least.has_value()) << round;
    }
  }
  EXPECT_GT(fitting, 100);
  EXPECT_LT(dearer * 20, fitting);
}

TEST(Recompute, CountsMicrobatchesInFlight) {
  Schedule schedule;
  schedule.ranks = 1;
  schedule.chunks = 1;
  schedule.microbatches = 3;
  auto llm = [](Phase phase, uint32_t microbatch) { return Action::llm(phase, 0, microbatch); };
  schedule.orders = {{llm(Phase::Forward, 0), llm(Phase::Forward, 1), llm(Phase::Backward, 0),
                      llm(Phase::Forward, 2), llm(Phase::Backward, 1), llm(Phase::Backward, 2)}};
  EXPECT_EQ(mostHeld(schedule, 0, Component::Llm, 0), 2u);
  // A weight gradient that waits holds its microbatch.
  schedule.orders[0].push_back(llm(Phase::WeightGradient, 0));
  EXPECT_EQ(mostHeld(schedule, 0, Component::Llm, 0), 3u);
  EXPECT_EQ(mostHeld(schedule, 0, Component::Encoder, 0), 0u);
}

} // namespace
