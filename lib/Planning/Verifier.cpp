//===- Verifier.cpp - Proves a schedule -----------------------------------===//

#include "bigmac/Planning/Verifier.h"
#include "ActionGraph.h"
#include "Figures.h"
#include "OrderRunner.h"

#include <string>
#include <utility>
#include <vector>

namespace bigmac::planning {

namespace {

Status checkWorkload(const Schedule &schedule, const Workload &workload) {
  if (schedule.ranks != workload.ranks || schedule.chunks != workload.chunks ||
      schedule.microbatches != workload.microbatches)
    return Error{"the schedule is for " + std::to_string(schedule.ranks) + " ranks, " +
                 std::to_string(schedule.chunks) + " chunks and " +
                 std::to_string(schedule.microbatches) + " microbatches; the program has " +
                 std::to_string(workload.ranks) + ", " + std::to_string(workload.chunks) + " and " +
                 std::to_string(workload.microbatches)};
  if (schedule.placement != workload.placement)
    return Error{"the schedule places the components on other ranks than the program does"};
  if (Status status = checkPlacement(workload.placement, workload.ranks); !status)
    return status;
  for (auto [component, exists] : {std::pair(Component::Encoder, workload.hasEncoder),
                                   std::pair(Component::Generator, workload.hasGenerator)})
    if (exists && workload.ranksOf(component).count == 0)
      return Error{"the placement gives the " + std::string(componentName(component)) + " no rank"};
  size_t stages = workload.stages();
  if (workload.stageBackward.size() != stages || workload.stageWeightGradient.size() != stages)
    return Error{"the program describes " + std::to_string(workload.stageBackward.size()) +
                 " and " + std::to_string(workload.stageWeightGradient.size()) +
                 " stages' backwards, expected " + std::to_string(stages)};
  return Status::success();
}

/// Every action of the workload, and no other. The index has no duplicates, so equal counts and
/// inclusion suffice.
Status checkComplete(const Schedule &schedule, const Workload &workload, const ActionIndex &index) {
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    const std::vector<Action> &order = schedule.orders[rank];
    std::vector<bool> expected(order.size(), false);
    for (const Action &action :
         actionsOf(workload, rank, schedule.splitBackward, schedule.splitGenerator)) {
      uint32_t id = index.find(rank, action);
      if (id == noAction)
        return Error{describe(rank, action) + " is missing from the schedule"};
      if (!(order[id - index.rankBegin(rank)] == action))
        return Error{describe(rank, order[id - index.rankBegin(rank)]) +
                     " is malformed: expected " + describe(rank, action)};
      expected[id - index.rankBegin(rank)] = true;
    }
    for (size_t i = 0; i < order.size(); ++i)
      if (!expected[i])
        return Error{describe(rank, order[i]) + ", at position " + std::to_string(i) +
                     ", is not part of the program"};
  }
  return Status::success();
}

} // namespace

Status verifySchedule(const Schedule &schedule, const Workload &workload,
                      const Dependencies &dependencies) {
  if (Status status = checkWorkload(schedule, workload); !status)
    return status;
  Result<ActionIndex> index = ActionIndex::build(schedule);
  if (!index)
    return index.error();
  if (Status status = checkComplete(schedule, workload, *index); !status)
    return status;
  Result<ActionGraph> graph = ActionGraph::build(schedule, *index, dependencies);
  if (!graph)
    return graph.error();

  // Orders and dependencies have a cycle exactly if running them, whatever the durations, does not
  // end.
  IdOrders orders = identityOrders(*graph);
  std::vector<double> seconds(graph->size(), 0.0);
  OrderRunner runner;
  if (!runner.run(*graph, orders, seconds, 0))
    return Error{runner.explainDeadlock(*graph, orders,
                                        [&](uint32_t id) { return describeId(schedule, id); })};
  return Status::success();
}

} // namespace bigmac::planning
