//===- RobustChoice.cpp - Which of equal plans holds up -------------------===//

#include "RobustChoice.h"
#include "Figures.h"
#include "bigmac/Planning/Robustness.h"

#include <algorithm>

namespace bigmac::planning {

namespace {

constexpr uint32_t seeds = 3;
constexpr uint64_t firstSeed = uint64_t(1) << 63;
static_assert(slowdownExecutions == 3 * seeds);

} // namespace

std::vector<double> slowdowns(const CutProblem &cuts, const Costs &costs, size_t count,
                              const std::function<IdOrders(size_t)> &ordersOf) {
  std::vector<double> sums(count, 0.0), makespans(count);
  OrderRunner runner;
  for (const Variation &variation : standardVariations(costs)) {
    for (uint64_t seed = firstSeed; seed < firstSeed + seeds; ++seed) {
      const std::vector<double> seconds =
          secondsById(cuts.reference, costs, {variation.amount, seed, variation.images});
      for (size_t plan = 0; plan < count; ++plan) {
        // The plans were executed before: none deadlocks.
        runner.run(cuts.graph, ordersOf(plan), seconds, cuts.transfer);
        makespans[plan] = runner.makespan;
      }
      const double least = *std::min_element(makespans.begin(), makespans.end());
      for (size_t plan = 0; plan < count; ++plan)
        sums[plan] += least > 0 ? makespans[plan] / least : 1;
    }
  }
  return sums;
}

} // namespace bigmac::planning
