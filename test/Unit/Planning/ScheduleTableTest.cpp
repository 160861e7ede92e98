//===- ScheduleTableTest.cpp - The published figures ----------------------===//

#include "Reference.h"

#include <gtest/gtest.h>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

struct Row {
  uint32_t ranks, chunks, microbatches;
  Even costs;
  double makespan, bound;
  uint32_t encoderUnits;
  double llmMicrobatches;
};

void PrintTo(const Row &row, std::ostream *stream) {
  *stream << "P" << row.ranks << " V" << row.chunks << " M" << row.microbatches;
}

class TableRow : public testing::TestWithParam<Row> {};

TEST_P(TableRow, IsReproducedExactly) {
  const Row &row = GetParam();
  Problem problem = problemOf(row.ranks, row.chunks, row.microbatches, costsOf(row.costs));
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  EXPECT_EQ(built->figures.makespan, row.makespan);
  EXPECT_EQ(built->figures.bound, row.bound);
  EXPECT_EQ(built->figures.peakEncoderUnits, row.encoderUnits);
  EXPECT_EQ(built->schedule.window, row.encoderUnits);
  EXPECT_EQ(built->figures.peakLlmMicrobatches, row.llmMicrobatches);
  EXPECT_EQ(built->figures.peakGeneratorUnits, row.costs.generatorForward > 0 ? 1u : 0u);
  EXPECT_EQ(built->figures.peakPendingWeightGradients, 0u);
  EXPECT_EQ(findFault(*built), "");
}

INSTANTIATE_TEST_SUITE_P(
    Table, TableRow,
    testing::Values(Row{4, 1, 16, {1, 2, 1, 2}, 69, 60, 2, 4},
                    Row{4, 2, 16, {0.5, 1, 1, 2}, 64.5, 60, 3, 5.5},
                    Row{4, 2, 16, {0.5, 1, 1, 2, 1, 2}, 76.5, 72, 3, 7},
                    Row{8, 2, 64, {0.5, 1, 3, 6, 6, 12}, 418.5, 408, 3, 15.5},
                    Row{16, 2, 256, {0.5, 1, 2, 4, 4, 8}, 1078.5, 1056, 3, 31},
                    Row{16, 4, 256, {0.25, 0.5, 2, 4, 4, 8}, 1067.25, 1056, 3, 23.5}));

// makespan = LLM alone + units * unit work, whatever the number of units; memory does not grow with
// it.
TEST(CutFormula, HoldsWithEvenCostsForEveryShape) {
  for (uint32_t ranks = 2; ranks <= 8; ++ranks) {
    for (uint32_t chunks : {1u, 2u, 4u}) {
      for (uint32_t units : {4u, 8u}) {
        Even even{1.0 / chunks, 2.0 / chunks, 1, 2, 2, 4};
        Problem both = problemOf(ranks, chunks, units * ranks, costsOf(even));
        even.encoderForward = even.generatorForward = 0;
        Problem alone = problemOf(ranks, chunks, units * ranks, costsOf(even));
        std::optional<Built> nested = build(ScheduleKind::BigMac, both);
        std::optional<Built> llm = build(ScheduleKind::Interleaved, alone);
        ASSERT_TRUE(nested && llm);
        EXPECT_EQ(nested->figures.makespan, llm->figures.makespan + units * 9.0)
            << "P" << ranks << " V" << chunks << " units " << units;
        EXPECT_EQ(nested->figures.peakEncoderUnits, 3u);
        EXPECT_EQ(nested->figures.peakGeneratorUnits, 1u);
      }
    }
  }
}

// The paper's window of 3 falls out; 2 suffices for plain 1F1B without generator. With two ranks
// and several chunks 2 suffices too: the cut falls exactly before the first forward that needs the
// unit.
TEST(Window, IsDerived) {
  for (uint32_t ranks = 2; ranks <= 8; ++ranks) {
    for (uint32_t chunks : {1u, 2u, 4u}) {
      for (bool generator : {false, true}) {
        Even even{1.0 / chunks, 2.0 / chunks, 1, 2, generator ? 1.0 : 0.0, 2};
        Problem problem = problemOf(ranks, chunks, 8 * ranks, costsOf(even));
        std::optional<Built> built = build(ScheduleKind::BigMac, problem);
        ASSERT_TRUE(built);
        uint32_t window = !generator && (chunks == 1 || ranks == 2) ? 2 : 3;
        EXPECT_EQ(built->schedule.window, window) << "P" << ranks << " V" << chunks;
        EXPECT_EQ(built->figures.peakEncoderUnits, window);
      }
    }
  }
}

TEST(Window, OneLessDoesNotWork) {
  // Independent of the builder: rank 0 of plain 1F1B needs the features of unit 1 before unit 0's
  // gradients exist.
  Problem problem = problemOf(4, 1, 16, costsOf({1, 2, 1, 2}));
  std::optional<Built> built = build(ScheduleKind::BigMac, problem);
  ASSERT_TRUE(built);
  const std::vector<Action> &order = built->schedule.orders[0];
  auto position = [&](const Action &action) {
    return std::find(order.begin(), order.end(), action) - order.begin();
  };
  EXPECT_LT(position(Action::llm(Phase::Forward, 0, 4)),
            position(Action::llm(Phase::Backward, 0, 3)));
}

TEST(Growth, MemoryIsConstantInMicrobatchesExceptEncoderFirst) {
  for (uint32_t microbatches : {16u, 32u, 64u, 128u}) {
    Costs costs = costsOf({0.5, 1, 1, 2, 1, 2});
    costs.activationBytes = ActivationBytes{uint64_t(10), uint64_t(1), 100, 1000};
    Problem problem = problemOf(4, 2, microbatches, costs);
    std::optional<Built> nested = build(ScheduleKind::BigMac, problem);
    std::optional<Built> first = build(ScheduleKind::EncoderFirst, problem);
    ASSERT_TRUE(nested && first);
    EXPECT_EQ(nested->figures.peakEncoderUnits, 3u);
    // Rank 0 holds 14 chunks, 3 encoder units, 1 generator unit, though not all at once.
    EXPECT_EQ(nested->figures.peakBytes[0], 1430u);
    EXPECT_EQ(first->figures.peakEncoderUnits, microbatches / 4);
    EXPECT_EQ(first->schedule.window, microbatches / 4);
    EXPECT_EQ(first->figures.makespan, nested->figures.makespan);
  }
}

TEST(LlmAlone, ClassicFiguresHold) {
  Even even{1, 2};
  // (M + P - 1)(f + b), with P activations held by 1F1B and M by GPipe.
  Problem problem = problemOf(4, 1, 16, costsOf(even));
  std::optional<Built> plain = build(ScheduleKind::OneForwardOneBackward, problem);
  std::optional<Built> gpipe = build(ScheduleKind::GPipe, problem);
  ASSERT_TRUE(plain && gpipe);
  EXPECT_EQ(plain->figures.makespan, 57);
  EXPECT_EQ(plain->figures.peakLlmMicrobatches, 4);
  EXPECT_EQ(gpipe->figures.makespan, 57);
  EXPECT_EQ(gpipe->figures.peakLlmMicrobatches, 16);
  EXPECT_EQ(plain->schedule.window, 0u);
  EXPECT_EQ(plain->schedule.warmupExtra, 0u);

  // Interleaving divides the idle time by the chunks.
  Problem interleaved = problemOf(4, 2, 16, costsOf({0.5, 1}));
  std::optional<Built> two = build(ScheduleKind::Interleaved, interleaved);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->figures.makespan, 48 + 4.5);
}

} // namespace
