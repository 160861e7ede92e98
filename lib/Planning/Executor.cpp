//===- Executor.cpp - Times a schedule's orders ---------------------------===//

#include "bigmac/Planning/Executor.h"
#include "ActionGraph.h"
#include "Figures.h"
#include "OrderRunner.h"

#include <algorithm>
#include <string>

namespace bigmac::planning {

Result<Timing> execute(const Schedule &schedule, const Dependencies &dependencies,
                       const Costs &costs, const Jitter &jitter) {
  if (Status status = checkCosts(schedule, costs); !status)
    return status.error();
  if (!(jitter.amount >= 0 && jitter.amount <= 1))
    return Error{"jitter must be from 0 to 1, found " + std::to_string(jitter.amount)};
  Result<ActionIndex> index = ActionIndex::build(schedule);
  if (!index)
    return index.error();
  Result<ActionGraph> graph = ActionGraph::build(schedule, *index, dependencies);
  if (!graph)
    return graph.error();
  std::vector<double> seconds = secondsById(schedule, costs, jitter);
  IdOrders orders = identityOrders(*graph);
  OrderRunner runner;
  if (!runner.run(*graph, orders, seconds, costs.transfer))
    return Error{runner.explainDeadlock(*graph, orders,
                                        [&](uint32_t id) { return describeId(schedule, id); })};

  Timing timing;
  timing.makespan = runner.makespan;
  timing.start.resize(schedule.ranks);
  timing.end.resize(schedule.ranks);
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    uint32_t begin = graph->rankBegin[rank], end = graph->rankBegin[rank + 1];
    timing.end[rank].assign(runner.finish.begin() + begin, runner.finish.begin() + end);
    // An end minus its duration would miss the start by rounding, so starts are taken from what
    // they wait for.
    timing.start[rank].reserve(end - begin);
    double start = 0;
    for (uint32_t id = begin; id < end; ++id) {
      for (Edge edge : graph->producers(id))
        start = std::max(start, runner.finish[edge.producer] + edge.hops * costs.transfer);
      timing.start[rank].push_back(start);
      start = runner.finish[id];
    }
  }
  return timing;
}

} // namespace bigmac::planning
