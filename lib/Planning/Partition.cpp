//===- Partition.cpp - Balanced contiguous partition ----------------------===//

#include "bigmac/Planning/Partition.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <string>

namespace bigmac::planning {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
/// Choices are remembered for every (stage, place).
constexpr uint64_t maxCells = 1u << 27;

/// Elements between which no cut is allowed are one block.
struct Blocks {
  /// Costs summed up to each block's start; one more for the end.
  std::vector<double> prefix;
  /// First element of each block; one more for the end.
  std::vector<uint32_t> begin;
  /// Of the cut before each block.
  std::vector<double> cut;

  size_t size() const { return cut.size(); }
};

Blocks makeBlocks(std::span<const double> costs, std::span<const double> cutCosts) {
  Blocks blocks;
  double sum = 0;
  for (uint32_t i = 0; i < costs.size(); ++i) {
    double cut = i == 0 || cutCosts.empty() ? 0.0 : cutCosts[i - 1];
    if (cut != infinity) {
      blocks.prefix.push_back(sum);
      blocks.begin.push_back(i);
      blocks.cut.push_back(cut);
    }
    sum += costs[i];
  }
  blocks.prefix.push_back(sum);
  blocks.begin.push_back(static_cast<uint32_t>(costs.size()));
  return blocks;
}

/// The least possible cost of the most expensive stage.
double leastMaximum(const Blocks &blocks, uint32_t stages) {
  const size_t n = blocks.size();
  // best[i]: for blocks 0..i-1 in the stages so far. Both the cost of the earlier stages and that
  // of the last one are monotone in where the last one begins, and so is the best beginning in i.
  std::vector<double> best(blocks.prefix), next(n + 1, infinity);
  best[0] = infinity;
  for (uint32_t stage = 2; stage <= stages; ++stage) {
    std::fill(next.begin(), next.end(), infinity);
    size_t begin = stage - 1;
    for (size_t i = stage; i <= n; ++i) {
      auto cost = [&](size_t j) { return std::max(best[j], blocks.prefix[i] - blocks.prefix[j]); };
      while (begin + 1 < i && cost(begin + 1) <= cost(begin))
        ++begin;
      next[i] = cost(begin);
    }
    std::swap(best, next);
  }
  return best[n];
}

/// The cheapest cuts with no stage above `limit`; the earliest of them. Returns the first block of
/// each stage.
std::vector<size_t> cheapestCuts(const Blocks &blocks, uint32_t stages, double limit) {
  const size_t n = blocks.size();
  // rest[j]: the least cost of cuts for blocks j..n-1 in the stages counted so far, from the last
  // stage backwards.
  std::vector<double> rest(n + 1, infinity), next;
  for (size_t j = 0; j < n; ++j)
    if (blocks.prefix[n] - blocks.prefix[j] <= limit)
      rest[j] = 0;
  std::vector<std::vector<uint32_t>> choice(stages);
  for (uint32_t left = 2; left <= stages; ++left) {
    next.assign(n + 1, infinity);
    std::vector<uint32_t> &chosen = choice[left - 1];
    chosen.assign(n + 1, 0);
    auto paid = [&](size_t k) { return blocks.cut[k] + rest[k]; };
    // Candidates for the next stage's first block, in a window that moves down with j: cheapest in
    // front; of equals the earliest, which comes last.
    std::deque<size_t> window;
    for (size_t j = n - 1; j-- > 0;) {
      size_t entering = j + 1;
      while (!window.empty() && paid(window.back()) >= paid(entering))
        window.pop_back();
      window.push_back(entering);
      while (!window.empty() && blocks.prefix[window.front()] - blocks.prefix[j] > limit)
        window.pop_front();
      if (!window.empty()) {
        next[j] = paid(window.front());
        chosen[j] = static_cast<uint32_t>(window.front());
      }
    }
    std::swap(rest, next);
  }
  std::vector<size_t> begins{0};
  for (uint32_t left = stages; left >= 2; --left)
    begins.push_back(choice[left - 1][begins.back()]);
  return begins;
}

Status checkCosts(std::span<const double> costs, std::span<const double> cutCosts,
                  uint32_t stages) {
  if (stages == 0)
    return Error{"a partition needs at least one stage"};
  if (costs.size() < stages)
    return Error{"cannot cut " + std::to_string(costs.size()) + " elements into " +
                 std::to_string(stages) + " stages of at least one"};
  if (!cutCosts.empty() && cutCosts.size() != costs.size() - 1)
    return Error{"there are " + std::to_string(cutCosts.size()) + " cut costs for " +
                 std::to_string(costs.size()) + " elements; expected one less than elements"};
  if (uint64_t(costs.size()) * stages > maxCells)
    return Error{"cutting " + std::to_string(costs.size()) + " elements into " +
                 std::to_string(stages) + " stages is too large a problem; merge elements"};
  for (size_t i = 0; i < costs.size(); ++i)
    if (!std::isfinite(costs[i]) || costs[i] < 0)
      return Error{"the cost of element " + std::to_string(i) +
                   " must be finite and not negative, found " + std::to_string(costs[i])};
  for (size_t i = 0; i < cutCosts.size(); ++i)
    if (std::isnan(cutCosts[i]) || cutCosts[i] < 0)
      return Error{"the cost of the cut after element " + std::to_string(i) +
                   " must not be negative, found " + std::to_string(cutCosts[i])};
  return Status::success();
}

} // namespace

Result<Partition> partitionBalanced(std::span<const double> costs, std::span<const double> cutCosts,
                                    uint32_t stages) {
  if (Status status = checkCosts(costs, cutCosts, stages); !status)
    return status.error();
  Blocks blocks = makeBlocks(costs, cutCosts);
  if (blocks.size() < stages)
    return Error{"cuts are allowed at " + std::to_string(blocks.size() - 1) + " places; " +
                 std::to_string(stages) + " stages need " + std::to_string(stages - 1)};
  if (!std::isfinite(blocks.prefix.back()))
    return Error{"the costs add up to more than a number can hold"};

  // Sums are differences of prefixes: those that are equal in exact arithmetic differ by rounding.
  double limit = leastMaximum(blocks, stages) + 1e-12 * blocks.prefix.back();
  Partition partition;
  for (size_t begin : cheapestCuts(blocks, stages, limit)) {
    partition.boundaries.push_back(blocks.begin[begin]);
    partition.cutCost += blocks.cut[begin];
  }
  partition.boundaries.push_back(static_cast<uint32_t>(costs.size()));
  for (uint32_t stage = 0; stage < stages; ++stage) {
    double cost = 0;
    for (uint32_t i = partition.boundaries[stage]; i < partition.boundaries[stage + 1]; ++i)
      cost += costs[i];
    partition.maxCost = std::max(partition.maxCost, cost);
  }
  return partition;
}

} // namespace bigmac::planning
