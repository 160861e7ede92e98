//===- FillSearch.cpp - Chooses how weight gradients are deferred ---------===//

#include "FillSearch.h"

#include <algorithm>
#include <string>

namespace bigmac::planning {

namespace {

/// Makespans this close are equal: sums in another order differ by rounding.
constexpr double equalMakespan = 1e-9;

} // namespace

void FillSearch::consider(const Schedule &main, uint32_t waiting, uint32_t held) {
  IdOrders ids = split.idsOf(main);
  IdOrders atOnce = weightGradientsAtOnce(split, ids);
  runner.run(split.graph, atOnce, split.seconds, split.problem->costs.transfer);
  offer(main, std::move(atOnce), runner.finish, runner.makespan);
  // From few waiting to many, so that equal makespans hold the least.
  for (uint32_t most = 1; waiting > 0; most = std::min(2 * most, waiting)) {
    for (double share : {1.0, 0.5, 0.0}) {
      FilledOrders filled = fillWeightGradients(split, ids, {most, held, share});
      offer(main, std::move(filled.orders), filled.finish, filled.makespan);
    }
    if (most == waiting)
      break;
  }
}

void FillSearch::offer(const Schedule &main, IdOrders orders, const std::vector<double> &finish,
                       double makespan) {
  if (chosen && !(makespan < leastMakespan * (1 - equalMakespan)))
    return;
  if (split.problem->memoryLimit) {
    uint64_t bytes = split.peakBytes(orders, finish);
    leastBytes = std::min(leastBytes, bytes);
    if (bytes > *split.problem->memoryLimit)
      return;
  }
  leastMakespan = makespan;
  chosen = split.scheduleOf(orders);
  chosen->window = main.window;
  chosen->warmupExtra = main.warmupExtra;
}

Result<Schedule> FillSearch::best() const {
  if (chosen)
    return *chosen;
  return Error{"no order of weight gradients keeps activations within the memory limit of " +
               std::to_string(*split.problem->memoryLimit) +
               " bytes a rank; the least limit that works with this schedule is " +
               std::to_string(leastBytes) + " bytes"};
}

} // namespace bigmac::planning
