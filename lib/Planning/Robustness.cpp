//===- Robustness.cpp - A schedule under other times than planned ---------===//

#include "bigmac/Planning/Robustness.h"
#include "ActionGraph.h"
#include "Figures.h"
#include "OrderRunner.h"

#include <algorithm>

namespace bigmac::planning {

namespace {

double busiestRank(const ActionGraph &graph, std::span<const double> seconds) {
  double most = 0;
  for (uint32_t rank = 0; rank < graph.ranks(); ++rank) {
    double work = 0;
    for (uint32_t id = graph.rankBegin[rank]; id < graph.rankBegin[rank + 1]; ++id)
      work += seconds[id];
    most = std::max(most, work);
  }
  return most;
}

} // namespace

std::span<const Variation> standardVariations(const Costs &costs) {
  static constexpr Variation variations[] = {
      {"10%", 0.1, false}, {"30%", 0.3, false}, {"images", 0, true}};
  const bool images = costs.encoder || costs.generator;
  return std::span(variations).first(images ? 3 : 2);
}

Result<std::vector<Spread>> measureRobustness(const Schedule &schedule,
                                              const Dependencies &dependencies, const Costs &costs,
                                              uint64_t firstSeed, uint32_t seeds) {
  Result<ActionIndex> index = ActionIndex::build(schedule);
  if (!index)
    return index.error();
  if (Status status = checkCosts(schedule, costs); !status)
    return status.error();
  Result<ActionGraph> graph = ActionGraph::build(schedule, *index, dependencies);
  if (!graph)
    return graph.error();
  const IdOrders orders = identityOrders(*graph);
  OrderRunner runner;
  std::vector<Spread> spreads;
  for (const Variation &variation : standardVariations(costs)) {
    Spread spread{variation};
    for (uint32_t i = 0; i < seeds; ++i) {
      const Jitter jitter{variation.amount, firstSeed + i, variation.images};
      const std::vector<double> seconds = secondsById(schedule, costs, jitter);
      if (!runner.run(*graph, orders, seconds, costs.transfer))
        return Error{runner.explainDeadlock(*graph, orders,
                                            [&](uint32_t id) { return describeId(schedule, id); })};
      spread.mean += runner.makespan / seeds;
      spread.worst = std::max(spread.worst, runner.makespan);
      spread.meanBound += busiestRank(*graph, seconds) / seeds;
    }
    spreads.push_back(spread);
  }
  return spreads;
}

} // namespace bigmac::planning
