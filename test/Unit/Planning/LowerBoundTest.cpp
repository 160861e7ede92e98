//===- LowerBoundTest.cpp - No schedule is faster -------------------------===//

#include "bigmac/Planning/LowerBound.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <tuple>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

double boundOf(const Problem &problem, bool split) {
  Workload workload =
      workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches);
  Schedule schedule;
  schedule.ranks = problem.ranks;
  schedule.chunks = problem.chunks;
  schedule.microbatches = problem.microbatches;
  schedule.splitBackward = split;
  for (uint32_t rank = 0; rank < problem.ranks; ++rank)
    schedule.orders.push_back(actionsOf(workload, rank, split, false));
  Result<double> bound = lowerBound(schedule, StandardDependencies(workload), problem.costs);
  EXPECT_TRUE(bound);
  return bound ? *bound : 0;
}

/// The least makespan, by trying every active schedule (B. Giffler, G. L. Thompson, 1960): one of
/// them is optimal. Written from the rules, sharing nothing with the library's search.
class Optimum {
public:
  Optimum(const Problem &problem, bool split) : transfer(problem.costs.transfer) {
    const Costs &costs = problem.costs;
    const uint32_t last = problem.ranks * problem.chunks - 1;
    free.assign(problem.ranks, 0);
    for (uint32_t m = 0; m < problem.microbatches; ++m) {
      const uint32_t owner = m % problem.ranks;
      if (costs.encoder)
        add("EF", 0, m, owner, costs.encoder->forward.at(m), {});
      for (uint32_t s = 0; s <= last; ++s)
        add("F", s, m, s % problem.ranks, costs.llmForward.at(s),
            {s > 0           ? find("F", s - 1, m)
             : costs.encoder ? find("EF", 0, m)
                             : none});
      if (costs.generator)
        add("G", 0, m, owner,
            costs.generator->forward.at(m) +
                (costs.generator->backward ? costs.generator->backward->at(m) : 0),
            {find("F", last, m)});
      for (uint32_t s = last + 1; s-- > 0;) {
        if (!costs.llmBackwardInput.at(s))
          break;
        double weight = costs.llmBackwardWeight.at(s);
        add("B", s, m, s % problem.ranks, *costs.llmBackwardInput.at(s) + (split ? 0 : weight),
            {find("F", s, m), s < last          ? find("B", s + 1, m)
                              : costs.generator ? find("G", 0, m)
                                                : none});
        if (split && weight > 0)
          add("W", s, m, s % problem.ranks, weight, {find("B", s, m)});
      }
      if (costs.encoder && costs.encoder->backward)
        add("EB", 0, m, owner, costs.encoder->backward->at(m), {find("EF", 0, m), find("B", 0, m)});
    }
    end.assign(jobs.size(), -1);
    // What follows a job at least: jobs come after what they need.
    after.assign(jobs.size(), 0);
    for (size_t j = jobs.size(); j-- > 0;)
      for (size_t i = 0; i < jobs.size(); ++i)
        if (std::count(jobs[i].needs.begin(), jobs[i].needs.end(), j))
          after[j] = std::max(after[j], jobs[i].seconds + after[i]);
  }

  size_t size() const { return jobs.size(); }

  /// Nothing where it takes too long.
  std::optional<double> find() {
    search(0);
    if (steps > mostSteps)
      return std::nullopt;
    return best;
  }

private:
  static constexpr size_t none = ~size_t(0);
  static constexpr uint64_t mostSteps = 50000;
  struct Job {
    uint32_t rank;
    double seconds;
    std::vector<size_t> needs;
  };

  void add(const char *kind, uint32_t stage, uint32_t m, uint32_t rank, double seconds,
           std::vector<size_t> needs) {
    std::erase(needs, none);
    names[{kind, stage, m}] = jobs.size();
    jobs.push_back({rank, seconds, needs});
  }
  size_t find(const char *kind, uint32_t stage, uint32_t m) const {
    return names.at({kind, stage, m});
  }

  void search(double makespan) {
    if (++steps > mostSteps)
      return;
    size_t first = none;
    double firstEnd = std::numeric_limits<double>::infinity();
    std::vector<std::pair<size_t, double>> candidates;
    for (size_t j = 0; j < jobs.size(); ++j) {
      if (end[j] >= 0)
        continue;
      double start = free[jobs[j].rank];
      bool possible = true;
      for (size_t need : jobs[j].needs) {
        possible &= end[need] >= 0;
        start = std::max(start, end[need] + (jobs[need].rank == jobs[j].rank ? 0 : transfer));
      }
      if (!possible)
        continue;
      if (start + jobs[j].seconds + after[j] >= best)
        return;
      candidates.emplace_back(j, start);
      if (start + jobs[j].seconds < firstEnd) {
        first = j;
        firstEnd = start + jobs[j].seconds;
      }
    }
    if (candidates.empty()) {
      best = std::min(best, makespan);
      return;
    }
    const uint32_t rank = jobs[first].rank;
    for (auto [j, start] : candidates) {
      if (jobs[j].rank != rank || (start >= firstEnd && j != first))
        continue;
      double before = free[rank];
      end[j] = free[rank] = start + jobs[j].seconds;
      search(std::max(makespan, end[j]));
      end[j] = -1;
      free[rank] = before;
    }
  }

  double transfer;
  std::vector<Job> jobs;
  std::map<std::tuple<std::string, uint32_t, uint32_t>, size_t> names;
  std::vector<double> free, end, after;
  double best = std::numeric_limits<double>::infinity();
  uint64_t steps = 0;
};

class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  uint32_t below(uint32_t count) { return static_cast<uint32_t>(engine() % count); }
  double seconds() { return below(8) == 0 ? 0.0 : (1 + below(12)) / 4.0; }
  PerIndex<double> figures(uint32_t count) {
    std::vector<double> list;
    for (uint32_t i = 0; i < count; ++i)
      list.push_back(seconds());
    return list;
  }

private:
  std::mt19937_64 engine;
};

Problem tinyProblem(Random &random) {
  uint32_t ranks = 1 + random.below(3), chunks = 1 + random.below(2);
  uint32_t microbatches = 1 + random.below(3), stages = ranks * chunks;
  Costs costs;
  costs.llmForward = random.figures(stages);
  std::vector<std::optional<double>> input;
  for (uint32_t s = 0; s < stages; ++s)
    input.emplace_back(random.seconds());
  costs.llmBackwardInput = input;
  costs.llmBackwardWeight = random.figures(stages);
  if (random.below(2)) {
    costs.encoder = Costs::Part{random.figures(microbatches), std::nullopt};
    if (random.below(3))
      costs.encoder->backward = random.figures(microbatches);
  }
  if (random.below(2))
    costs.generator = Costs::Part{random.figures(microbatches), random.figures(microbatches)};
  costs.transfer = random.below(2) ? 0 : 0.25;
  return problemOf(ranks, chunks, microbatches, costs);
}

TEST(LowerBound, NeverExceedsTheOptimum) {
  Random random(5);
  int compared = 0, met = 0;
  for (int round = 0; round < 500; ++round) {
    Problem problem = tinyProblem(random);
    for (bool split : {false, true}) {
      Optimum exhaustive(problem, split);
      if (exhaustive.size() > 26)
        continue;
      std::optional<double> optimum = exhaustive.find();
      if (!optimum)
        continue;
      double bound = boundOf(problem, split);
      ++compared;
      met += bound >= *optimum - 1e-9;
      ASSERT_LE(bound, *optimum + 1e-9) << "round " << round;
      // The search cannot be faster than the optimum either.
      std::optional<Built> built =
          build(split ? ScheduleKind::BigMacZb : ScheduleKind::BigMac, problem);
      ASSERT_TRUE(built);
      ASSERT_GE(built->figures.makespan, *optimum - 1e-9) << "round " << round;
    }
  }
  EXPECT_GT(compared, 400);
  // It is the optimum itself often enough to be worth its name.
  EXPECT_GT(met, compared / 2);
}

TEST(LowerBound, IsBetweenTheBusiestRankAndTheMakespan) {
  for (uint32_t ranks : {1u, 4u, 7u}) {
    for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::BigMacZb}) {
      Problem problem = problemOf(ranks, 2, 4 * ranks + 1, costsOf({0.5, 1, 1, 2, 1, 2, 0.125}));
      std::optional<Built> built = build(kind, problem);
      ASSERT_TRUE(built);
      EXPECT_GE(built->figures.tightBound, built->figures.bound);
      EXPECT_LE(built->figures.tightBound, built->figures.makespan * (1 + 1e-12));
      EXPECT_DOUBLE_EQ(built->figures.tightBound, boundOf(problem, kind == ScheduleKind::BigMacZb));
    }
  }
}

// The last of four ranks cannot start before three forwards of the others; unsplit, three backwards
// follow its last one.
TEST(LowerBound, HasStartUpAndDrain) {
  Problem problem = problemOf(4, 1, 16, costsOf({1, 2}));
  EXPECT_EQ(boundOf(problem, false), 3 + 48 + 6);
  EXPECT_EQ(boundOf(problem, true), 3 + 48);
  // One microbatch: the critical path through encoder, LLM, generator and back.
  Even even{1, 2, 1, 2, 1, 2, 0.5};
  problem = problemOf(4, 1, 1, costsOf(even));
  EXPECT_EQ(boundOf(problem, false), 1 + 4 + 3 + 8 + 2 + 8 * 0.5);
  // One unit: the last rank's work, the way to it and the way back to the encoder.
  problem = problemOf(4, 1, 4, costsOf(even));
  EXPECT_EQ(boundOf(problem, false), (1 + 3 * 1.5) + (4 * 3 + 3) + (3 * 2.5 + 2));
}

TEST(LowerBound, RefusesACycle) {
  class Circular : public Dependencies {
  public:
    void append(uint32_t, const Action &consumer,
                std::vector<Dependency> &producers) const override {
      Phase other = consumer.phase == Phase::Forward ? Phase::Backward : Phase::Forward;
      producers.push_back({0, 0, Action::llm(other, 0, consumer.microbatch)});
    }
  };
  Schedule schedule;
  schedule.ranks = schedule.chunks = schedule.microbatches = 1;
  schedule.orders = {{Action::llm(Phase::Forward, 0, 0), Action::llm(Phase::Backward, 0, 0)}};
  Result<double> bound = lowerBound(schedule, Circular(), costsOf({}));
  ASSERT_FALSE(bound);
  EXPECT_NE(bound.message().find("cycle"), std::string::npos);
}

} // namespace
