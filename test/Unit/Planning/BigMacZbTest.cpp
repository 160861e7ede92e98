//===- BigMacZbTest.cpp - The nested pipeline, backward split -------------===//

#include "Reference.h"

#include <gtest/gtest.h>

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

TEST_P(ListSchedulerRow, IsBeatenOrEqualled) {
  const Row &row = GetParam();
  Problem problem = problemOf(row.ranks, row.chunks, row.microbatches, costsOf(row.costs));
  std::optional<Built> built = build(ScheduleKind::BigMacZb, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(findFault(problem, *built), "");
  EXPECT_LE(built->figures.makespan, row.makespan);
  EXPECT_LE(built->figures.peakPendingWeightGradients, row.waiting);
  EXPECT_LE(built->figures.peakEncoderUnits, 3u);
}

INSTANTIATE_TEST_SUITE_P(Table, ListSchedulerRow,
                         testing::Values(Row{4, 1, 16, {1, 2, 1, 2}, 63, 8},
                                         Row{4, 2, 16, {0.5, 1, 1, 2, 1, 2}, 73.5, 8},
                                         Row{8, 2, 64, {0.5, 1, 3, 6, 6, 12}, 412, 16},
                                         Row{16, 2, 256, {0.5, 1, 2, 4, 4, 8}, 1066.5, 16},
                                         Row{16, 2, 64, {0.5, 1, 2, 4, 4, 8}, 271.5, 32}));

} // namespace
