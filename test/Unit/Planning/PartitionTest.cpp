//===- PartitionTest.cpp - Exact balanced partitions ----------------------===//

#include "bigmac/Planning/Partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace bigmac::planning;

namespace {

constexpr double never = std::numeric_limits<double>::infinity();

/// All partitions, one by one.
class Exhaustive {
public:
  Exhaustive(const std::vector<double> &costs, const std::vector<double> &cuts, uint32_t stages)
      : costs(costs), cuts(cuts), stages(stages) {
    std::vector<uint32_t> boundaries{0};
    descend(boundaries, 0, 0);
  }
  bool found = false;
  Partition best;

private:
  void descend(std::vector<uint32_t> &boundaries, double most, double paid) {
    uint32_t begin = boundaries.back(), n = static_cast<uint32_t>(costs.size());
    bool last = boundaries.size() == stages;
    double sum = 0;
    for (uint32_t end = begin + 1; end <= n; ++end) {
      sum += costs[end - 1];
      if (last && end < n)
        continue;
      double cut = end < n ? cuts[end - 1] : 0;
      if ((!last && end == n) || cut == never)
        continue;
      boundaries.push_back(end);
      if (last)
        offer(boundaries, std::max(most, sum), paid);
      else
        descend(boundaries, std::max(most, sum), paid + cut);
      boundaries.pop_back();
    }
  }
  // Called in the order of boundaries, so an equal one that comes later is not earlier.
  void offer(const std::vector<uint32_t> &boundaries, double most, double paid) {
    if (found && (most > best.maxCost || (most == best.maxCost && paid >= best.cutCost)))
      return;
    found = true;
    best = {boundaries, most, paid};
  }

  const std::vector<double> &costs;
  const std::vector<double> &cuts;
  uint32_t stages;
};

TEST(Partition, MatchesExhaustiveSearch) {
  std::mt19937_64 random(21);
  int infeasible = 0;
  for (int round = 0; round < 3000; ++round) {
    size_t n = 1 + random() % 10;
    uint32_t stages = 1 + random() % n;
    std::vector<double> costs, cuts;
    for (size_t i = 0; i < n; ++i)
      costs.push_back(random() % 6);
    for (size_t i = 0; i + 1 < n; ++i)
      cuts.push_back(random() % 6 == 0 ? never : random() % 4);
    Exhaustive expected(costs, cuts, stages);
    Result<Partition> partition = partitionBalanced(costs, cuts, stages);
    ASSERT_EQ(partition.ok(), expected.found);
    if (!partition) {
      ++infeasible;
      continue;
    }
    EXPECT_EQ(partition->boundaries, expected.best.boundaries);
    EXPECT_EQ(partition->maxCost, expected.best.maxCost);
    EXPECT_EQ(partition->cutCost, expected.best.cutCost);
  }
  EXPECT_GT(infeasible, 50);
}

TEST(Partition, EqualLayersWithCostsThatRound) {
  // 0.1 is not a binary fraction: sums of ten differ by where they start, and must still count as
  // equal.
  std::vector<double> costs(80, 0.1), cuts(79, 5.0);
  for (size_t i = 9; i < 79; i += 10)
    cuts[i] = 1;
  Result<Partition> partition = partitionBalanced(costs, cuts, 8);
  ASSERT_TRUE(partition);
  EXPECT_EQ(partition->boundaries, (std::vector<uint32_t>{0, 10, 20, 30, 40, 50, 60, 70, 80}));
  EXPECT_EQ(partition->cutCost, 7);
}

TEST(Partition, FreeCutsAndOneStage) {
  std::vector<double> costs{3, 1, 1, 3};
  Result<Partition> two = partitionBalanced(costs, {}, 2);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->boundaries, (std::vector<uint32_t>{0, 2, 4}));
  EXPECT_EQ(two->maxCost, 4);
  Result<Partition> one = partitionBalanced(costs, {}, 1);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->boundaries, (std::vector<uint32_t>{0, 4}));
  EXPECT_EQ(one->maxCost, 8);
}

TEST(Partition, LargeProblem) {
  std::mt19937_64 random(22);
  std::vector<double> costs, cuts;
  for (int i = 0; i < 20000; ++i) {
    costs.push_back(random() % 1000 / 7.0);
    cuts.push_back(random() % 10 ? never : random() % 50);
  }
  cuts.pop_back();
  Result<Partition> partition = partitionBalanced(costs, cuts, 256);
  ASSERT_TRUE(partition);
  double total = 0;
  for (double cost : costs)
    total += cost;
  EXPECT_LT(partition->maxCost, 1.4 * total / 256);
  EXPECT_GE(partition->maxCost, total / 256);
  EXPECT_TRUE(std::isfinite(partition->cutCost));
}

TEST(BadPartitions, AreRefused) {
  auto message = [](std::vector<double> costs, std::vector<double> cuts, uint32_t stages) {
    Result<Partition> partition = partitionBalanced(costs, cuts, stages);
    return partition ? std::string() : partition.message();
  };
  EXPECT_NE(message({1, 2}, {}, 0).find("at least one stage"), std::string::npos);
  EXPECT_NE(message({1, 2}, {}, 3).find("cannot cut 2 elements into 3"), std::string::npos);
  EXPECT_NE(message({1, 2}, {1, 1}, 2).find("2 cut costs for 2 elements"), std::string::npos);
  EXPECT_NE(message({1, -2}, {}, 2).find("element 1"), std::string::npos);
  EXPECT_NE(message({std::nan(""), 2}, {}, 2).find("element 0"), std::string::npos);
  EXPECT_NE(message({1, 2}, {-1}, 2).find("cut after element 0"), std::string::npos);
  EXPECT_NE(message({1, 2, 3}, {never, 1}, 3).find("allowed at 1 places"), std::string::npos);
}

} // namespace
