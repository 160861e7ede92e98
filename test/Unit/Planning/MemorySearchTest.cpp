//===- MemorySearchTest.cpp - Placements against exhaustive search --------===//

#include "bigmac/Planning/MemoryPlanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

using namespace bigmac::planning;

namespace {

/// The least peak of all: some order of placing each at the lowest free offset reaches it.
uint64_t leastPeak(const std::vector<Buffer> &buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t(0));
  uint64_t best = ~uint64_t(0);
  do {
    std::vector<uint64_t> offsets(buffers.size(), 0);
    uint64_t peak = 0;
    for (size_t placed = 0; placed < order.size(); ++placed) {
      const Buffer &buffer = buffers[order[placed]];
      uint64_t offset = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (size_t k = 0; k < placed; ++k) {
          const Buffer &other = buffers[order[k]];
          uint64_t end = offsets[order[k]] + other.size;
          if (buffer.lower < other.upper && other.lower < buffer.upper && offset < end &&
              offsets[order[k]] < offset + buffer.size) {
            offset = (end + buffer.alignment - 1) / buffer.alignment * buffer.alignment;
            moved = true;
          }
        }
      }
      offsets[order[placed]] = offset;
      peak = std::max(peak, offset + buffer.size);
    }
    best = std::min(best, peak);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

/// Optimal, up to what is less than the alignment that all have.
void expectOptimal(const std::vector<Buffer> &buffers, uint64_t optimum) {
  Result<Placement> placement = placeBuffers(buffers);
  ASSERT_TRUE(placement) << placement.message();
  EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak));
  uint64_t alignment = buffers.front().alignment;
  for (const Buffer &buffer : buffers)
    alignment = std::min(alignment, buffer.alignment);
  EXPECT_GE(placement->peak, optimum);
  EXPECT_LT(placement->peak, optimum + alignment);
  EXPECT_LE(placement->leastPeak, optimum);
  EXPECT_GE(placement->leastPeak, placement->lowerBound);
}

TEST(SmallPlacements, AreOptimal) {
  std::mt19937_64 random(21);
  for (int round = 0; round < 150; ++round) {
    std::vector<Buffer> buffers(5 + random() % 3);
    for (Buffer &buffer : buffers) {
      buffer.lower = random() % 12;
      buffer.upper = buffer.lower + 1 + random() % 8;
      buffer.size = 1 + random() % 9;
      buffer.alignment = 1;
    }
    expectOptimal(buffers, leastPeak(buffers));
  }
}

TEST(SmallPlacements, AreOptimalWithAlignments) {
  std::mt19937_64 random(22);
  for (int round = 0; round < 150; ++round) {
    std::vector<Buffer> buffers(2 + random() % 5);
    for (Buffer &buffer : buffers) {
      buffer.lower = random() % 6;
      buffer.upper = buffer.lower + 1 + random() % 5;
      buffer.size = 1 + random() % 20;
      buffer.alignment = uint64_t(1) << (random() % 5);
    }
    expectOptimal(buffers, leastPeak(buffers));
  }
}

TEST(SmallPlacements, CapacitiesAreMetOrRuledOut) {
  std::mt19937_64 random(23);
  unsigned fits = 0, ruledOut = 0;
  for (int round = 0; round < 150; ++round) {
    std::vector<Buffer> buffers(3 + random() % 4);
    for (Buffer &buffer : buffers) {
      buffer.lower = random() % 8;
      buffer.upper = buffer.lower + 1 + random() % 6;
      buffer.size = 1 + random() % 9;
      buffer.alignment = uint64_t(1) << (random() % 3);
    }
    uint64_t optimum = leastPeak(buffers);
    uint64_t capacity = optimum - random() % 2;
    Result<Placement> placement = placeBuffers(buffers, {1, capacity});
    ASSERT_TRUE(placement);
    EXPECT_EQ(placement->peak <= capacity, optimum <= capacity);
    fits += placement->peak <= capacity;
    if (placement->peak > capacity) {
      EXPECT_GT(placement->leastPeak, capacity);
      ++ruledOut;
    }
  }
  EXPECT_GT(fits, 30u);
  EXPECT_GT(ruledOut, 30u);
}

TEST(SearchedPlacements, FillRectanglesThatWereCut) {
  // Cuts at random: a packing without a hole exists.
  std::mt19937_64 random(24);
  for (int round = 0; round < 20; ++round) {
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
    Result<Placement> placement = placeBuffers(buffers, {1, 1 << 20});
    ASSERT_TRUE(placement);
    EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak));
    EXPECT_EQ(placement->peak, 1u << 20) << "round " << round;
    EXPECT_EQ(placement->fragmentation(), 1);
  }
}

TEST(SearchedPlacements, IdenticalBuffersAreNotPermuted) {
  // Thirty alike and one that does not divide: all orders of the thirty would be tried for ever.
  std::vector<Buffer> buffers(30, Buffer{0, 10, 8, 8});
  buffers.push_back({5, 15, 5, 1});
  Result<Placement> placement = placeBuffers(buffers, {1, 244});
  ASSERT_TRUE(placement);
  EXPECT_EQ(placement->peak, 245u);
  EXPECT_EQ(placement->leastPeak, 245u);
}

TEST(SearchedPlacements, LongChainsDoNotExhaustTheStack) {
  // A staircase: each overlaps the next only, through thousands.
  std::vector<Buffer> buffers;
  for (uint64_t i = 0; i < 4500; ++i)
    buffers.push_back({i, i + 2, 64 * (1 + i % 7), 64});
  for (uint64_t i = 0; i < 400; ++i)
    buffers.push_back({i, 4500 - i, 64, 64});
  Result<Placement> placement = placeBuffers(buffers);
  ASSERT_TRUE(placement);
  EXPECT_TRUE(verifyPlacement(buffers, placement->offsets, placement->peak));
  EXPECT_LE(placement->fragmentation(), 1.05);
}

TEST(SearchedPlacements, AreTheSameEveryTime) {
  std::mt19937_64 random(25);
  std::vector<Buffer> buffers;
  for (int i = 0; i < 120; ++i) {
    uint64_t lower = random() % 200;
    buffers.push_back({lower, lower + 1 + random() % 60, 1 + random() % 1000, 1});
  }
  Result<Placement> first = placeBuffers(buffers), second = placeBuffers(buffers);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->offsets, second->offsets);
  EXPECT_EQ(first->leastPeak, second->leastPeak);
}

} // namespace
