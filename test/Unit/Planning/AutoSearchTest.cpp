//===- AutoSearchTest.cpp - The search over arrangements ------------------===//

#include "bigmac/Planning/AutoSearch.h"
#include "bigmac/Planning/Executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace bigmac::planning;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

DeviceModel device() {
  DeviceModel device = *findDevice("cpu");
  device.peer = {1e6, 0.001};
  device.devicesPerNode = 4096;
  device.memoryBandwidth = 1e6;
  return device;
}

PieceCosts piece(double seconds, uint64_t held, uint64_t parameters) {
  PieceCosts piece;
  piece.forward = seconds;
  piece.backward = seconds;
  piece.backwardWeight = seconds;
  piece.points = {{infinity, held, 0}};
  piece.parameterBytes = piece.trainedBytes = piece.gradientBytes = parameters;
  piece.optimizerBytes = 2 * parameters;
  piece.outputBytes = 100;
  return piece;
}

AutoProblem problem(size_t layers, uint32_t world, uint64_t microbatches) {
  AutoProblem problem;
  problem.layers.assign(layers, piece(1, 1000, 400));
  problem.device = device();
  problem.world = world;
  problem.microbatches = microbatches;
  problem.memoryLimit = 1u << 30;
  problem.schedules = {ScheduleKind::BigMac, ScheduleKind::OneForwardOneBackward,
                       ScheduleKind::Interleaved, ScheduleKind::GPipe};
  return problem;
}

/// What one arrangement takes, written out again without the library's own search: stages of equal
/// layers, all microbatches executed.
struct Expected {
  double step = infinity;
  uint64_t bytes = 0;
};

Expected bruteForce(const AutoProblem &p, uint32_t ranks, uint32_t chunks, ScheduleKind kind) {
  Expected none;
  uint32_t replicas = p.world / ranks, stages = ranks * chunks;
  if (p.layers.size() % stages != 0)
    ADD_FAILURE() << "the brute force needs equal stages";
  uint64_t each = p.layers.size() / stages;
  const PieceCosts &layer = p.layers.front();
  Problem q;
  q.ranks = ranks;
  q.chunks = chunks;
  q.microbatches = static_cast<uint32_t>(p.microbatches / replicas);
  q.costs.llmForward = layer.forward * each;
  q.costs.llmBackwardInput = std::optional(*layer.backward * each);
  q.costs.llmBackwardWeight = layer.backwardWeight * each;
  ActivationBytes bytes;
  bytes.llm = layer.points[0].heldBytes * each;
  uint64_t fixed = each * chunks * (2 * layer.parameterBytes + 2 * layer.parameterBytes / replicas);
  double reduction = 0;
  double n = replicas, trained = double(layer.trainedBytes * each * chunks);
  reduction += 7 * trained / n / p.device.memoryBandwidth;
  if (replicas > 1)
    reduction += chunks * 2 * p.device.peer.latency + 2 * trained * (n - 1) / n / 1e6;
  if (p.encoder) {
    q.costs.encoder.emplace();
    q.costs.encoder->forward = p.encoder->forward;
    q.costs.encoder->backward = PerIndex<double>(*p.encoder->backward);
    bytes.encoder = p.encoder->points[0].heldBytes;
    double all = p.world, size = double(p.encoder->trainedBytes);
    fixed += 2 * p.encoder->parameterBytes + 2 * p.encoder->parameterBytes / p.world;
    reduction += 7 * size / all / p.device.memoryBandwidth;
    if (p.world > 1)
      reduction += 2 * (p.device.peer.latency + size * (all - 1) / all / 1e6);
  }
  if (ranks > 1) {
    q.costs.transfer = p.device.peer.latency + layer.outputBytes / 1e6;
    fixed += 6 * layer.outputBytes;
  }
  q.costs.activationBytes = bytes;
  Result<Schedule> schedule = buildSchedule(kind, q);
  if (!schedule)
    return none;
  StandardDependencies dependencies(workloadOf(q.costs, ranks, chunks, q.microbatches));
  Result<Timing> timing = execute(*schedule, dependencies, q.costs);
  Result<Figures> figures = measure(*schedule, *timing, dependencies, q.costs);
  return {timing->makespan + reduction, fixed + *std::ranges::max_element(figures->peakBytes)};
}

double leastStep(const AutoRanking &ranking) {
  double least = std::numeric_limits<double>::infinity();
  for (const AutoCandidate &c : ranking.candidates)
    if (c.rejected.empty())
      least = std::min(least, c.step);
  return least;
}

void compare(const AutoProblem &p, bool limited = false) {
  Result<AutoRanking> ranking = autoSearch(p);
  ASSERT_TRUE(ranking) << ranking.message();
  Expected best;
  size_t seen = 0;
  for (uint32_t ranks = 1; ranks <= p.world; ++ranks)
    for (uint32_t chunks = 1; ranks * chunks <= p.layers.size(); ++chunks)
      for (ScheduleKind kind : p.schedules) {
        bool single = kind == ScheduleKind::OneForwardOneBackward || kind == ScheduleKind::GPipe;
        if (p.world % ranks || p.microbatches % (p.world / ranks) || (ranks == 1 && chunks > 1) ||
            (single && chunks > 1) || (kind == ScheduleKind::Interleaved && chunks == 1) ||
            p.layers.size() % (ranks * chunks))
          continue;
        Expected expected = bruteForce(p, ranks, chunks, kind);
        if (!limited || expected.bytes <= p.memoryLimit)
          best = expected.step < best.step ? expected : best;
        for (const AutoCandidate &c : ranking->candidates)
          if (c.ranks == ranks && c.chunks == chunks && c.schedule == kind) {
            ++seen;
            if (!limited) {
              EXPECT_NEAR(c.step, expected.step, 1e-9 * expected.step)
                  << ranks << " " << chunks << " " << scheduleName(kind);
              EXPECT_EQ(c.peakBytes, expected.bytes);
            }
          }
      }
  EXPECT_GT(seen, 0u);
  EXPECT_NEAR(leastStep(*ranking), best.step, 1e-9 * best.step);
}

TEST(AutoSearch, AgreesWithBruteForce) {
  for (uint32_t world : {1, 2, 4, 8})
    for (uint64_t microbatches : {8, 16, 24})
      compare(problem(8, world, microbatches));
  for (uint32_t world : {2, 4}) {
    AutoProblem p = problem(4, world, 12);
    p.encoder = piece(2, 5000, 4000);
    compare(p);
  }
}

/// Every machine's limit that lies between two candidates' needs.
TEST(AutoSearch, KeepsTheLimit) {
  AutoProblem p = problem(8, 4, 16);
  std::vector<uint64_t> needs;
  for (const AutoCandidate &c : autoSearch(p)->candidates)
    needs.push_back(c.peakBytes);
  std::ranges::sort(needs);
  for (uint64_t limit : needs) {
    p.memoryLimit = limit;
    Result<AutoRanking> ranking = autoSearch(p);
    ASSERT_TRUE(ranking) << ranking.message();
    for (const AutoCandidate &c : ranking->candidates)
      EXPECT_EQ(c.rejected.empty(), c.peakBytes <= limit);
  }
  p.memoryLimit = needs.front() - 1;
  Result<AutoRanking> ranking = autoSearch(p);
  ASSERT_FALSE(ranking);
  EXPECT_NE(ranking.message().find("about " + std::to_string(needs.front())), std::string::npos)
      << ranking.message();
}

TEST(AutoSearch, RecomputesOnlyAsMuchAsIsNeeded) {
  AutoProblem p = problem(4, 1, 4);
  p.schedules = {ScheduleKind::OneForwardOneBackward};
  for (PieceCosts &layer : p.layers)
    layer.points = {{infinity, 1000, 0}, {2000, 600, 0.2}, {0, 100, 0.9}};
  struct {
    uint64_t activations;
    double level, seconds;
  } cases[] = {{4000, infinity, 0}, {3999, 2000, 0.2}, {2400, 2000, 0.2}, {2399, 0, 0.9}};
  uint64_t fixed = 4 * 400 * 4;
  for (auto [activations, level, seconds] : cases) {
    p.memoryLimit = fixed + activations;
    Result<AutoRanking> ranking = autoSearch(p);
    ASSERT_TRUE(ranking) << ranking.message();
    const AutoCandidate &best = ranking->candidates.front();
    EXPECT_EQ(best.recompute, level) << activations;
    EXPECT_NEAR(best.makespan, 4 * 4 * (3 + seconds), 1e-9);
    EXPECT_LE(best.peakBytes, p.memoryLimit);
  }
  p.memoryLimit = fixed + 399;
  EXPECT_FALSE(autoSearch(p));
}

/// Extended from few microbatches, a step is what executing all of them gives: exactly for even
/// stages, where each further unit adds the same.
TEST(AutoSearch, ExtensionOfManyMicrobatches) {
  for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::OneForwardOneBackward,
                            ScheduleKind::GPipe, ScheduleKind::Interleaved}) {
    AutoProblem p = problem(8, 4, 8192);
    p.ranks = 4;
    p.chunks = kind == ScheduleKind::Interleaved ? 2 : 1;
    p.schedules = {kind};
    p.encoder = piece(0.5, 5000, 4000);
    Result<AutoRanking> ranking = autoSearch(p);
    ASSERT_TRUE(ranking) << ranking.message();
    const AutoCandidate &c = ranking->candidates.front();
    EXPECT_TRUE(c.extended);
    Expected all = bruteForce(p, 4, *p.chunks, kind);
    EXPECT_NEAR(c.step / all.step, 1, 1e-3) << scheduleName(kind);
    EXPECT_NEAR(double(c.peakBytes) / double(all.bytes), 1, 1e-2) << scheduleName(kind);
  }
}

TEST(AutoSearch, FixedParts) {
  AutoProblem p = problem(8, 4, 16);
  p.ranks = 2;
  p.chunks = 2;
  Result<AutoRanking> ranking = autoSearch(p);
  ASSERT_TRUE(ranking) << ranking.message();
  for (const AutoCandidate &c : ranking->candidates) {
    EXPECT_EQ(c.ranks, 2u);
    EXPECT_EQ(c.chunks, 2u);
    EXPECT_EQ(c.replicas, 2u);
    EXPECT_EQ(c.microbatches, 8u);
  }
  p.replicas = 1;
  EXPECT_NE(autoSearch(p).message().find("do not make up a world of 4"), std::string::npos);
  p.replicas.reset();
  p.ranks = 3;
  EXPECT_FALSE(autoSearch(p));
}

TEST(AutoSearch, RejectsWhatIsImpossible) {
  AutoProblem p = problem(2, 8, 4);
  Result<AutoRanking> ranking = autoSearch(p);
  // Two layers have at most two ranks, and four microbatches at most four replicas.
  ASSERT_TRUE(ranking) << ranking.message();
  for (const AutoCandidate &c : ranking->candidates)
    EXPECT_EQ(c.rejected.empty(), c.ranks == 2) << c.rejected;
  EXPECT_EQ(ranking->candidates.back().rejected, "8 ranks for 2 layers");
  p = problem(2, 8, 3);
  EXPECT_NE(autoSearch(p).message().find("no arrangement is possible"), std::string::npos);
  p = problem(0, 1, 1);
  EXPECT_FALSE(autoSearch(p));
  p = problem(1, 1, 1);
  p.layers[0].points.clear();
  EXPECT_FALSE(autoSearch(p));
  p = problem(1, 0, 1);
  EXPECT_FALSE(autoSearch(p));
  p = problem(1, 1u << 31, 1);
  EXPECT_FALSE(autoSearch(p));
  p = problem(1, 1, 1);
  p.memoryLimit = 0;
  EXPECT_FALSE(autoSearch(p));
}

/// Random problems: sorted but for the choice, which has the fewest stages of the fastest, within
/// the limit, the same each time, with finite figures.
TEST(AutoSearch, RandomProblems) {
  std::mt19937 random(7);
  auto draw = [&](int low, int high) { return low + int(random() % (high - low + 1)); };
  for (int round = 0; round < 40; ++round) {
    AutoProblem p = problem(draw(1, 12), 1u << draw(0, 4), draw(1, 6) * 8);
    p.schedules = {ScheduleKind::BigMac, ScheduleKind::Zb, ScheduleKind::BigMacZb,
                   ScheduleKind::OneForwardOneBackward};
    for (PieceCosts &layer : p.layers) {
      layer = piece(draw(1, 9) * 0.25, draw(1, 50) * 100, draw(1, 50) * 4);
      layer.points.push_back({double(draw(1, 5)), layer.points[0].heldBytes / 2, 0.1});
    }
    if (draw(0, 1))
      p.encoder = piece(draw(1, 9) * 0.5, draw(1, 50) * 100, 400);
    if (draw(0, 1))
      p.generator = piece(draw(1, 9) * 0.5, draw(1, 50) * 100, 400);
    p.memoryLimit = draw(2, 40) * 2000;
    Result<AutoRanking> ranking = autoSearch(p), again = autoSearch(p);
    ASSERT_EQ(ranking.ok(), again.ok());
    if (!ranking)
      continue;
    EXPECT_EQ(describeRanking(*ranking, 1000), describeRanking(*again, 1000));
    const AutoCandidate &choice = ranking->candidates.front();
    double last = 0, least = leastStep(*ranking);
    for (const AutoCandidate &c : ranking->candidates) {
      if (!c.rejected.empty())
        continue;
      EXPECT_TRUE(std::isfinite(c.step));
      EXPECT_LE(choice.step, 1.01 * least * (1 + 1e-9));
      if (c.step <= 1.01 * least * (1 - 1e-9))
        EXPECT_GE(c.ranks * c.chunks, choice.ranks * choice.chunks);
      if (&c != &choice) {
        EXPECT_GE(c.step, last * (1 - 1e-8));
        last = c.step;
      }
      EXPECT_LE(c.peakBytes, p.memoryLimit);
      EXPECT_EQ(uint64_t(c.microbatches) * c.replicas, p.microbatches);
      EXPECT_EQ(c.ranks * c.replicas, p.world);
      EXPECT_GE(c.bubble, 0);
      EXPECT_LT(c.bubble, 1);
    }
  }
}

TEST(AutoSearch, Table) {
  AutoProblem p = problem(4, 2, 4);
  p.memoryLimit = 20000;
  std::string table = describeRanking(*autoSearch(p), 2);
  EXPECT_EQ(table.rfind("P  V  D  M  schedule", 0), 0u) << table;
  EXPECT_NE(table.find("chosen"), std::string::npos) << table;
  EXPECT_NE(table.find(" more\n"), std::string::npos) << table;
}

} // namespace
