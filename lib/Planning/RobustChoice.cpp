//===- RobustChoice.cpp - Which of equal plans holds up -------------------===//

#include "RobustChoice.h"
#include "Figures.h"
#include "bigmac/Planning/Robustness.h"

#include <algorithm>
#include <vector>

namespace bigmac::planning {

namespace {

constexpr uint32_t seeds = 3;
constexpr uint64_t firstSeed = uint64_t(1) << 63;
/// Three variations.
constexpr uint64_t executionsOfPlan = 3 * seeds;

/// So many plans are compared at most, by as many executed actions for each step of effort.
constexpr size_t mostCompared = 24;
constexpr size_t leastCompared = 3;
constexpr uint64_t actionsPerEffort = 16u << 20;

/// What loses this little more when times vary holds up as well: memory decides.
constexpr double equalSlowdown = 0.01;

} // namespace

size_t comparedPlans(uint32_t effort, uint32_t actions) {
  const uint64_t budget = std::max<uint64_t>(1, effort) * actionsPerEffort;
  return std::clamp<uint64_t>(budget / (executionsOfPlan * std::max(1u, actions)), leastCompared,
                              mostCompared);
}

size_t mostRobust(const Schedule &reference, const ActionGraph &graph, const Costs &costs,
                  size_t count, const std::function<IdOrders(size_t)> &ordersOf) {
  std::vector<double> sums(count, 0.0), makespans(count);
  OrderRunner runner;
  for (const Variation &variation : standardVariations(costs)) {
    for (uint64_t seed = firstSeed; seed < firstSeed + seeds; ++seed) {
      const std::vector<double> seconds =
          secondsById(reference, costs, {variation.amount, seed, variation.images});
      for (size_t plan = 0; plan < count; ++plan) {
        runner.run(graph, ordersOf(plan), seconds, costs.transfer);
        makespans[plan] = runner.makespan;
      }
      const double least = *std::min_element(makespans.begin(), makespans.end());
      for (size_t plan = 0; plan < count; ++plan)
        sums[plan] += least > 0 ? makespans[plan] / least : 1;
    }
  }
  const double least = *std::min_element(sums.begin(), sums.end());
  size_t chosen = 0;
  while (sums[chosen] > least * (1 + equalSlowdown))
    ++chosen;
  return chosen;
}

} // namespace bigmac::planning
