// Memory over time has the peaks that planning::measure reports, never goes below zero, and ends
// empty.

#include "Simulated.h"

#include <algorithm>
#include <numeric>

using namespace bigmac;
using namespace bigmac::report;
using namespace bigmac::planning;

namespace {

/// The most bytes that a rank holds at once. Steps at one start or end count together.
uint64_t peakOf(const Memory &memory, uint32_t rank) {
  std::vector<int64_t> now(memory.base[rank].begin(), memory.base[rank].end());
  const std::vector<MemoryStep> &steps = memory.steps[rank];
  int64_t most = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    now[steps[i].memoryClass] += steps[i].bytes;
    EXPECT_GE(now[steps[i].memoryClass], 0);
    if (i + 1 == steps.size() || steps[i + 1].action != steps[i].action ||
        steps[i + 1].atEnd != steps[i].atEnd)
      most = std::max(most, std::accumulate(now.begin(), now.end(), int64_t(0)));
  }
  return static_cast<uint64_t>(most);
}

void comparePeaks(const Simulated &simulated) {
  auto memory = activationMemory(simulated.schedule, simulated.timing, *simulated.dependencies,
                                 simulated.costs);
  ASSERT_TRUE(memory.ok()) << memory.message();
  ASSERT_TRUE(memory->has_value());
  ASSERT_EQ((*memory)->steps.size(), simulated.figures.peakBytes.size());
  for (uint32_t rank = 0; rank < simulated.schedule.ranks; ++rank)
    EXPECT_EQ(peakOf(**memory, rank), simulated.figures.peakBytes[rank]) << "rank " << rank;
}

TEST(ActivationMemory, HasTheMeasuredPeaks) {
  for (ScheduleKind kind : {ScheduleKind::BigMac, ScheduleKind::EncoderFirst})
    for (uint32_t microbatches : {3u, 16u, 17u})
      comparePeaks(Simulated(kind, bothCosts(), 4, 2, microbatches));
}

TEST(ActivationMemory, HoldsUnderJitterAndUnevenStages) {
  Costs costs = bothCosts();
  costs.transfer = 0.07;
  costs.activationBytes->llm = std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8};
  for (uint64_t seed = 0; seed < 5; ++seed)
    comparePeaks(Simulated(ScheduleKind::BigMac, costs, 4, 2, 16, Jitter{0.5, seed}));
}

TEST(ActivationMemory, AFrozenEncodersUnitEndsWithItsLastUse) {
  Costs costs = bothCosts();
  costs.encoder->backward.reset();
  Simulated simulated(ScheduleKind::BigMac, costs, 4, 2, 16);
  comparePeaks(simulated);
  auto memory = activationMemory(simulated.schedule, simulated.timing, *simulated.dependencies,
                                 simulated.costs);
  ASSERT_TRUE(memory.ok() && memory->has_value());
  // What is released is released before the end: the last use is not the last action.
  int64_t encoder = 0;
  for (const MemoryStep &step : (*memory)->steps[0])
    if (step.memoryClass == 2)
      encoder += step.bytes;
  EXPECT_EQ(encoder, 0);
}

TEST(ActivationMemory, IsAbsentWithoutActivationBytes) {
  Costs costs = bothCosts();
  costs.activationBytes.reset();
  Simulated simulated(ScheduleKind::BigMac, costs, 2, 1, 4);
  auto memory = activationMemory(simulated.schedule, simulated.timing, *simulated.dependencies,
                                 simulated.costs);
  ASSERT_TRUE(memory.ok());
  EXPECT_FALSE(memory->has_value());
}

} // namespace
