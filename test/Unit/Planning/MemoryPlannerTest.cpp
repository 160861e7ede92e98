//===- MemoryPlannerTest.cpp - Placements and their proof -----------------===//

#include "bigmac/Planning/MemoryPlanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace bigmac::planning;

namespace {

/// Overlaps counted pair by pair, unlike the library's sweep.
bool disjoint(const std::vector<Buffer> &buffers, const std::vector<uint64_t> &offsets) {
  for (size_t a = 0; a < buffers.size(); ++a)
    for (size_t b = 0; b < a; ++b)
      if (std::max(buffers[a].lower, buffers[b].lower) <
              std::min(buffers[a].upper, buffers[b].upper) &&
          std::max(offsets[a], offsets[b]) <
              std::min(offsets[a] + buffers[a].size, offsets[b] + buffers[b].size))
        return false;
  return true;
}

std::vector<Buffer> randomBuffers(std::mt19937_64 &random, size_t count) {
  std::vector<Buffer> buffers(count);
  for (Buffer &buffer : buffers) {
    buffer.lower = random() % 50;
    buffer.upper = buffer.lower + random() % 20;
    buffer.size = random() % 5 ? random() % 1000 : 0;
    buffer.alignment = uint64_t(1) << (random() % 8);
  }
  return buffers;
}

TEST(Placement, RandomBuffersAreDisjointAndAligned) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 30; ++round) {
    std::vector<Buffer> buffers = randomBuffers(random, random() % 40);
    for (uint32_t effort : {0u, 1u}) {
      Result<Placement> placement = placeBuffers(buffers, {effort, std::nullopt});
      ASSERT_TRUE(placement);
      EXPECT_TRUE(disjoint(buffers, placement->offsets));
      EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak));
      uint64_t peak = 0, live = 0;
      for (size_t i = 0; i < buffers.size(); ++i) {
        EXPECT_EQ(placement->offsets[i] % buffers[i].alignment, 0u);
        if (buffers[i].size > 0 && buffers[i].lower < buffers[i].upper)
          peak = std::max(peak, placement->offsets[i] + buffers[i].size);
      }
      for (uint64_t t = 0; t < 70; ++t) {
        uint64_t now = 0;
        for (const Buffer &buffer : buffers)
          now += buffer.lower <= t && t < buffer.upper ? buffer.size : 0;
        live = std::max(live, now);
      }
      EXPECT_EQ(placement->peak, peak);
      EXPECT_EQ(placement->lowerBound, live);
      EXPECT_GE(placement->peak, live);
    }
  }
}

TEST(Placement, VerifierAgreesWithPairwiseComparison) {
  std::mt19937_64 random(12);
  int sound = 0, broken = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<Buffer> buffers = randomBuffers(random, 1 + random() % 12);
    for (Buffer &buffer : buffers)
      buffer.alignment = 1;
    Result<Placement> placement = placeBuffers(buffers);
    ASSERT_TRUE(placement);
    std::vector<uint64_t> offsets = placement->offsets;
    offsets[random() % offsets.size()] = random() % 2000;
    bool accepted = verifyPlacement(buffers, offsets).ok();
    EXPECT_EQ(accepted, disjoint(buffers, offsets));
    ++(accepted ? sound : broken);
  }
  EXPECT_GT(sound, 50);
  EXPECT_GT(broken, 50);
}

TEST(Placement, LifetimesAreHalfOpen) {
  std::vector<Buffer> buffers{{0, 5, 100}, {5, 9, 100}, {9, 9, 100}, {2, 3, 0}};
  Result<Placement> placement = placeBuffers(buffers);
  ASSERT_TRUE(placement);
  EXPECT_EQ(placement->peak, 100u);
  EXPECT_EQ(placement->lowerBound, 100u);
}

TEST(Placement, SearchBeatsReplay) {
  // A best-fit allocator in the order of time leaves a hole that the long buffer does not fit.
  std::vector<Buffer> buffers{{0, 2, 64}, {1, 4, 64}, {3, 6, 128}, {0, 1, 64}};
  Result<Placement> replay = placeBuffers(buffers, {0, std::nullopt});
  Result<Placement> searched = placeBuffers(buffers);
  ASSERT_TRUE(replay && searched);
  EXPECT_EQ(searched->peak, 192u);
  EXPECT_EQ(searched->lowerBound, 192u);
  EXPECT_GE(replay->peak, searched->peak);
}

TEST(Placement, PerfectPackingsAreFoundOrNear) {
  // A rectangle cut at random has a packing without a hole.
  std::mt19937_64 random(13);
  double worst = 1;
  for (int round = 0; round < 10; ++round) {
    std::vector<Buffer> buffers{{0, 1000, 1 << 20, 1}};
    while (buffers.size() < 60) {
      Buffer &buffer = buffers[random() % buffers.size()];
      Buffer rest = buffer;
      if (random() % 2 && buffer.upper - buffer.lower > 1) {
        buffer.upper = rest.lower = buffer.lower + 1 + random() % (buffer.upper - buffer.lower - 1);
      } else if (buffer.size > 1) {
        buffer.size = 1 + random() % (buffer.size - 1);
        rest.size -= buffer.size;
      } else {
        continue;
      }
      buffers.push_back(rest);
    }
    Result<Placement> placement = placeBuffers(buffers);
    ASSERT_TRUE(placement);
    EXPECT_EQ(placement->lowerBound, 1u << 20);
    EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak));
    worst = std::max(worst, double(placement->peak) / double(placement->lowerBound));
  }
  EXPECT_LT(worst, 1.25);
}

TEST(Placement, StackLikeLifetimesHaveNoWaste) {
  // A forward and backward pass: residuals are born in order and die in reverse, with short-lived
  // temporaries between.
  std::vector<Buffer> buffers;
  std::mt19937_64 random(14);
  const uint64_t layers = 2000;
  for (uint64_t i = 0; i < layers; ++i) {
    buffers.push_back({i, 2 * layers - i, 64 * (1 + random() % 100)});
    buffers.push_back({i, i + 1, 64 * (1 + random() % 10)});
  }
  Result<Placement> placement = placeBuffers(buffers);
  ASSERT_TRUE(placement);
  EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak));
  EXPECT_LE(double(placement->peak), 1.02 * double(placement->lowerBound));
}

TEST(Placement, TensOfThousandsOfBuffers) {
  std::mt19937_64 random(15);
  std::vector<Buffer> buffers;
  for (int i = 0; i < 20000; ++i) {
    uint64_t lower = random() % 1000000;
    uint64_t length = random() % 50 == 0 ? random() % 100000 : random() % 2000;
    buffers.push_back({lower, lower + 1 + length, 64 * (1 + random() % 10000)});
  }
  Result<Placement> placement = placeBuffers(buffers);
  ASSERT_TRUE(placement);
  EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak));
  EXPECT_LE(double(placement->peak), 1.2 * double(placement->lowerBound));
  Result<Placement> again = placeBuffers(buffers);
  ASSERT_TRUE(again);
  EXPECT_EQ(placement->offsets, again->offsets);
}

TEST(Placement, StopsAtCapacity) {
  std::mt19937_64 random(16);
  std::vector<Buffer> buffers = randomBuffers(random, 40);
  Result<Placement> first = placeBuffers(buffers, {0, std::nullopt});
  ASSERT_TRUE(first);
  Result<Placement> enough = placeBuffers(buffers, {1, first->peak});
  ASSERT_TRUE(enough);
  EXPECT_EQ(enough->offsets, first->offsets);
}

TEST(BadBuffers, AreRefused) {
  auto message = [](std::vector<Buffer> buffers) {
    Result<Placement> placement = placeBuffers(buffers);
    return placement ? std::string() : placement.message();
  };
  EXPECT_NE(message({{5, 4, 1}}).find("buffer 0: its lifetime ends at 4"), std::string::npos);
  EXPECT_NE(message({{0, 1, 1}, {0, 1, 1, 48}}).find("buffer 1: its alignment 48"),
            std::string::npos);
  EXPECT_NE(message({{0, 1, 1, 0}}).find("power of two"), std::string::npos);
  EXPECT_NE(message({{0, 1, uint64_t(1) << 61}, {0, 1, uint64_t(1) << 61}}).find("2^62"),
            std::string::npos);
  EXPECT_NE(message({{0, 1, ~uint64_t(0)}}).find("2^62"), std::string::npos);
  EXPECT_EQ(message({}), "");
}

TEST(BadPlacements, AreRefusedByName) {
  std::vector<Buffer> buffers{{0, 4, 100}, {2, 6, 100}};
  auto message = [&](std::vector<uint64_t> offsets, std::optional<uint64_t> capacity) {
    Status status = verifyPlacement(buffers, offsets, capacity);
    return status ? std::string() : status.message();
  };
  EXPECT_EQ(message({0, 128}, 228), "");
  EXPECT_EQ(message({0, 64}, std::nullopt), "buffer 0 (alive [0, 4), bytes [0, 100)) and buffer 1 "
                                            "(alive [2, 6), bytes [64, 164)) overlap");
  EXPECT_NE(message({0, 101}, std::nullopt).find("not aligned to 64"), std::string::npos);
  EXPECT_NE(message({0, 128}, 227).find("does not end within 227"), std::string::npos);
  EXPECT_NE(message({0}, std::nullopt).find("1 offsets for 2 buffers"), std::string::npos);
  EXPECT_NE(message({0, ~uint64_t(63)}, std::nullopt), "");
}

} // namespace
