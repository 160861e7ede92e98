//===- ScaleTest.cpp - Schedules of deployments ---------------------------===//

#include "Reference.h"
#include "bigmac/Planning/Transfers.h"

#include <gtest/gtest.h>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

TEST(Scale, TwoMillionActions) {
  Problem problem = problemOf(64, 4, 4096, costsOf({0.25, 0.5, 2, 4, 4, 8}));
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(built->figures.actions, 64u * 4 * 4096 * 2 + 3 * 4096);
  EXPECT_EQ(built->figures.bound, 64 * (4 * 0.75 * 64 + 6 + 12));
  // The bound, and what interleaved 1F1B idles at start and drain: (P - 1)(forward + backward).
  EXPECT_EQ(built->figures.makespan, built->figures.bound + 63 * 0.75);
  EXPECT_EQ(built->figures.peakEncoderUnits, 3u);
}

TEST(Scale, TransfersOfManyRanksAreProved) {
  Problem problem = problemOf(64, 2, 256, costsOf({0.5, 1, 2, 4, 4, 8}));
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  StandardDependencies dependencies(workloadOf(problem.costs, 64, 2, 256));
  Result<TransferPlan> plan = matchTransfers(built->schedule, dependencies);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(proveTransfers(built->schedule, dependencies, *plan,
                             buffersForTiming(built->schedule, *plan, built->timing)));
}

} // namespace
