//===- RandomProblemsTest.cpp - Any problem gives a valid schedule --------===//

#include "Reference.h"
#include "bigmac/Planning/Verifier.h"

#include <gtest/gtest.h>

#include <random>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

/// std::uniform_*_distribution differs between libraries; these do not.
class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  uint32_t below(uint32_t count) { return static_cast<uint32_t>(engine() % count); }
  double seconds() {
    // Zero and equal times are the hard cases.
    return below(8) == 0 ? 0.0 : below(64) / 16.0;
  }
  PerIndex<double> figures(uint32_t count) {
    if (below(2))
      return seconds();
    std::vector<double> list;
    for (uint32_t i = 0; i < count; ++i)
      list.push_back(below(2) ? seconds() : seconds() / 3);
    return list;
  }

private:
  std::mt19937_64 engine;
};

Problem randomProblem(Random &random) {
  uint32_t ranks = 1 + random.below(6), chunks = 1 + random.below(3);
  uint32_t microbatches = 1 + random.below(4 * ranks + 3), stages = ranks * chunks;
  Costs costs;
  costs.llmForward = random.figures(stages);
  std::vector<std::optional<double>> input;
  std::vector<double> weight;
  bool trainedEncoder = false;
  if (random.below(2)) {
    costs.encoder = Costs::Part{random.figures(microbatches), std::nullopt};
    trainedEncoder = random.below(2);
    if (trainedEncoder)
      costs.encoder->backward = random.figures(microbatches);
  }
  if (random.below(2)) {
    costs.generator = Costs::Part{random.figures(microbatches), std::nullopt};
    if (random.below(4))
      costs.generator->backward = random.figures(microbatches);
  }
  uint32_t frozen = !trainedEncoder && random.below(3) == 0 ? random.below(stages + 1) : 0;
  for (uint32_t s = 0; s < stages; ++s) {
    input.push_back(s < frozen ? std::nullopt : std::optional<double>(random.seconds()));
    weight.push_back(s < frozen ? 0.0 : random.seconds());
  }
  costs.llmBackwardInput = input;
  costs.llmBackwardWeight = weight;
  costs.transfer = random.below(3) ? 0 : random.seconds() / 4;
  return problemOf(ranks, chunks, microbatches, costs);
}

TEST(RandomProblems, EveryScheduleIsValid) {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    Problem problem = randomProblem(random);
    for (ScheduleKind kind :
         {ScheduleKind::BigMac, ScheduleKind::BigMacZb, ScheduleKind::EncoderFirst,
          ScheduleKind::Interleaved, ScheduleKind::OneForwardOneBackward, ScheduleKind::GPipe,
          ScheduleKind::Zb}) {
      bool oneChunk = kind == ScheduleKind::OneForwardOneBackward || kind == ScheduleKind::GPipe ||
                      kind == ScheduleKind::Zb;
      if (oneChunk && problem.chunks > 1)
        continue;
      std::optional<Built> built = build(kind, problem);
      ASSERT_TRUE(built) << "round " << round << " " << scheduleName(kind);
      ASSERT_EQ(findFault(problem, *built), "")
          << "round " << round << " " << scheduleName(kind) << " P" << problem.ranks << " V"
          << problem.chunks << " M" << problem.microbatches;
      EXPECT_GE(built->figures.makespan, built->figures.bound * (1 - 1e-12));
    }
  }
}

TEST(RandomProblems, AreBuiltTheSameTwice) {
  Random random(2);
  for (int round = 0; round < 50; ++round) {
    Problem problem = randomProblem(random);
    std::optional<Built> first = build(ScheduleKind::BigMac, problem);
    std::optional<Built> second = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->schedule.orders, second->schedule.orders);
  }
}

// A limit changes nothing until it binds; then it is kept, or refused with the least that works.
TEST(RandomProblems, LimitsAreKeptOrRefusedWithTheLeastThatWorks) {
  Random random(3);
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    Problem problem = randomProblem(random);
    problem.costs.activationBytes = ActivationBytes{uint64_t(1 + random.below(9)), uint64_t(1),
                                                    1 + random.below(50), 1 + random.below(50)};
    std::optional<Built> free = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(free);
    uint64_t needed =
        *std::max_element(free->figures.peakBytes.begin(), free->figures.peakBytes.end());
    problem.memoryLimit = needed;
    std::optional<Built> same = build(ScheduleKind::BigMac, problem);
    ASSERT_TRUE(same);
    EXPECT_EQ(same->schedule.orders, free->schedule.orders);
    if (needed == 0)
      continue;
    problem.memoryLimit = needed - 1;
    Result<Schedule> tight = buildSchedule(ScheduleKind::BigMac, problem);
    if (tight)
      continue;
    ++refused;
    // The error names a limit, and that limit works.
    std::string message = tight.message();
    size_t at = message.find("works with this schedule is ");
    ASSERT_NE(at, std::string::npos) << message;
    problem.memoryLimit = std::stoull(message.substr(at + 28));
    EXPECT_TRUE(build(ScheduleKind::BigMac, problem));
    problem.memoryLimit = *problem.memoryLimit - 1;
    EXPECT_FALSE(buildSchedule(ScheduleKind::BigMac, problem));
  }
  EXPECT_GT(refused, 10);
}

TEST(Edges, OneRankOneMicrobatchAndPartialUnits) {
  for (uint32_t ranks : {1u, 2u, 5u}) {
    for (uint32_t chunks : {1u, 3u}) {
      for (uint32_t microbatches : {1u, ranks, ranks + 1, 3 * ranks - 1, 4 * ranks}) {
        Problem problem = problemOf(ranks, chunks, microbatches, costsOf({1, 2, 1, 2, 1, 2, 0.25}));
        for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::BigMacZb,
                                  ScheduleKind::EncoderFirst, ScheduleKind::Interleaved}) {
          std::optional<Built> built = build(kind, problem);
          ASSERT_TRUE(built);
          EXPECT_EQ(findFault(problem, *built), "")
              << scheduleName(kind) << " P" << ranks << " V" << chunks << " M" << microbatches;
        }
      }
    }
  }
}

} // namespace
