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
