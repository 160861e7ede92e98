//===- Executor.cpp - Times a schedule's orders ---------------------------===//

#include "bigmac/Planning/Executor.h"
#include "ActionGraph.h"
#include "Figures.h"
#include "OrderRunner.h"

namespace bigmac::planning {

Result<Timing> execute(const Schedule &schedule, const Dependencies &dependencies,
                       const Costs &costs, const Jitter &jitter) {
  if (Status status = validateCosts(costs, schedule.ranks, schedule.chunks, schedule.microbatches);
      !status)
    return status.error();
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
    timing.start[rank].assign(runner.start.begin() + begin, runner.start.begin() + end);
    timing.end[rank].resize(end - begin);
    for (uint32_t id = begin; id < end; ++id)
      timing.end[rank][id - begin] = runner.start[id] + seconds[id];
  }
  return timing;
}

} // namespace bigmac::planning
