// Ring placement: sound against the verifier, and flat in the length of a step.

#include "bigmac/Planning/RingPlacement.h"

#include <gtest/gtest.h>

#include <random>

using namespace bigmac::planning;

namespace {

/// A step of `count` microbatches in which each makes a long-lived value (alive for `depth`
/// microbatches), a short one, and scratch of its own.
void makeStep(unsigned count, unsigned depth, std::vector<Buffer> &buffers,
              std::vector<uint32_t> &rings) {
  for (uint64_t m = 0; m < count; ++m) {
    buffers.push_back({3 * m, 3 * (m + depth), 1000, 64});
    rings.push_back(1);
    buffers.push_back({3 * m + 1, 3 * m + 3, 500, 64});
    rings.push_back(2);
    buffers.push_back({3 * m + 2, 3 * m + 3, 300, 64});
    rings.push_back(0);
  }
}

} // namespace

TEST(RingPlacement, PeakDoesNotMoveWithMicrobatches) {
  std::vector<uint64_t> peaks;
  for (unsigned count : {8, 16, 32, 64, 1000}) {
    std::vector<Buffer> buffers;
    std::vector<uint32_t> rings;
    makeStep(count, 4, buffers, rings);
    auto placement = placeInRings(buffers, rings);
    ASSERT_TRUE(placement.ok()) << placement.message();
    EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak).ok());
    peaks.push_back(placement->peak);
  }
  for (uint64_t peak : peaks)
    EXPECT_EQ(peak, peaks.front());
}

TEST(RingPlacement, RandomLifetimesNeverOverlap) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Buffer> buffers;
    std::vector<uint32_t> rings;
    std::vector<uint64_t> sizes(6);
    for (uint64_t &size : sizes)
      size = random() % 5000;
    for (int i = 0; i < 300; ++i) {
      uint32_t ring = random() % 6;
      uint64_t lower = random() % 200;
      buffers.push_back({lower, lower + random() % 30, ring ? sizes[ring] : random() % 5000, 64});
      rings.push_back(ring);
    }
    auto placement = placeInRings(buffers, rings);
    ASSERT_TRUE(placement.ok()) << placement.message();
    auto proof = verifyPlacement(buffers, placement->offsets, placement->peak);
    EXPECT_TRUE(proof.ok()) << proof.message();
    EXPECT_GE(placement->peak, placement->lowerBound);
  }
}

TEST(RingPlacement, RejectsBadInput) {
  std::vector<Buffer> buffers{{0, 4, 64, 64}, {1, 9, 128, 64}};
  EXPECT_FALSE(placeInRings(buffers, std::vector<uint32_t>{1}).ok());
  EXPECT_FALSE(placeInRings(buffers, std::vector<uint32_t>{1, 1}).ok());
  buffers[1] = {9, 1, 64, 64};
  EXPECT_FALSE(placeInRings(buffers, std::vector<uint32_t>{1, 1}).ok());
  buffers[1] = {1, 9, 64, 48};
  EXPECT_FALSE(placeInRings(buffers, std::vector<uint32_t>{1, 1}).ok());
}

namespace {

/// A rank of a pipeline in its rhythm: two stages whose forwards leave bundles of mostly the same
/// sizes, alive for a few microbatches each, an encoder that runs at every other microbatch, and a
/// workspace that is large when one bundle fewer is alive.
void makePipeline(unsigned count, std::vector<Buffer> &buffers, std::vector<uint32_t> &rings) {
  auto add = [&](uint64_t lower, uint64_t upper, uint64_t size, uint32_t ring) {
    buffers.push_back({lower, upper, size, 64});
    rings.push_back(ring);
  };
  for (uint64_t m = 0; m < count; ++m) {
    uint64_t t = 10 * m;
    for (uint32_t value = 0; value < 10; ++value) {
      add(t, t + 47, 4096 * (1 + value % 3), 1 + value);
      add(t + 5, t + 29, 4096 * (1 + value % 3), 21 + value);
    }
    add(t, t + 47, 2000, 31);
    // After the backward of the first stage, before the next forward.
    add(t + 8, t + 9, 70000, 0);
    add(t + 3, t + 4, 9000, 0);
    add(t + 8, t + 10, 3000, 32);
    if (m % 2 == 0)
      for (uint32_t value = 0; value < 6; ++value)
        add(t + 9, t + 39, 1500, 41 + value);
  }
}

} // namespace

TEST(RingPlacement, StagesShareSlotsAndWorkspacesBorrowThem) {
  std::vector<Placement> placements;
  for (unsigned count : {12, 24, 48, 400}) {
    std::vector<Buffer> buffers;
    std::vector<uint32_t> rings;
    makePipeline(count, buffers, rings);
    Result<Placement> placement = placeInRings(buffers, rings);
    ASSERT_TRUE(placement) << placement.message();
    Status proof = verifyPlacement(buffers, placement->offsets, placement->peak);
    EXPECT_TRUE(proof) << proof.message();
    placements.push_back(std::move(*placement));
  }
  for (const Placement &placement : placements) {
    EXPECT_EQ(placement.peak, placements.front().peak);
    EXPECT_LE(placement.fragmentation(), 1.02);
  }
}

TEST(RingPlacement, RandomPipelinesAreSoundAndFlat) {
  // Random rhythms: values with lifetimes of up to five periods, in any place of the period.
  std::mt19937_64 random(8);
  for (int round = 0; round < 40; ++round) {
    struct Value {
      uint64_t birth, life, size, period;
    };
    std::vector<Value> values(5 + random() % 30);
    for (Value &value : values)
      value = {random() % 20, 1 + random() % (random() % 2 ? 3 : 100), 1 + random() % 9000,
               uint64_t(20) << (random() % 2)};
    std::vector<uint64_t> peaks;
    for (uint64_t length : {800, 1600, 3200}) {
      std::vector<Buffer> buffers;
      std::vector<uint32_t> rings;
      for (uint32_t v = 0; v < values.size(); ++v)
        for (uint64_t t = values[v].birth; t < length; t += values[v].period) {
          buffers.push_back({t, t + values[v].life, values[v].size, 64});
          rings.push_back(v % 7 == 6 ? 0 : v + 1);
        }
      Result<Placement> placement = placeInRings(buffers, rings);
      ASSERT_TRUE(placement) << placement.message();
      Status proof = verifyPlacement(buffers, placement->offsets, placement->peak);
      EXPECT_TRUE(proof) << proof.message();
      peaks.push_back(placement->peak);
    }
    EXPECT_EQ(peaks[1], peaks[0]) << "round " << round;
    EXPECT_EQ(peaks[2], peaks[0]) << "round " << round;
  }
}
