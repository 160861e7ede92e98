//===- SplitProblem.cpp - A step with its backward split ------------------===//

#include "SplitProblem.h"
#include "../Figures.h"

#include <algorithm>

namespace bigmac::planning {

Result<SplitProblem> SplitProblem::build(const Problem &problem) {
  if (problem.placement && *problem.placement != RankPlacement::everywhere(problem.ranks))
    return Error{"schedules that split the backward have every component on all ranks, found a "
                 "placement; use separate-stages for it, or no placement"};
  SplitProblem split;
  split.problem = &problem;
  split.workload = workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches);
  Schedule &reference = split.reference;
  reference.ranks = problem.ranks;
  reference.chunks = problem.chunks;
  reference.microbatches = problem.microbatches;
  reference.splitBackward = true;
  for (uint32_t rank = 0; rank < problem.ranks; ++rank)
    reference.orders.push_back(actionsOf(split.workload, rank, true, false));

  Result<ActionIndex> index = ActionIndex::build(reference);
  if (!index)
    return index.error();
  split.index = std::move(*index);
  std::optional<StandardDependencies> standard;
  if (!problem.dependencies)
    standard.emplace(split.workload);
  Result<ActionGraph> graph =
      ActionGraph::build(reference, split.index, standard ? *standard : *problem.dependencies);
  if (!graph)
    return graph.error();
  split.graph = std::move(*graph);
  split.seconds = secondsById(reference, problem.costs);
  return split;
}

IdOrders SplitProblem::idsOf(const Schedule &schedule) const {
  IdOrders orders(schedule.ranks);
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    orders[rank].reserve(schedule.orders[rank].size());
    for (const Action &action : schedule.orders[rank])
      orders[rank].push_back(index.find(rank, action));
  }
  return orders;
}

Schedule SplitProblem::scheduleOf(const IdOrders &orders) const {
  Schedule schedule;
  schedule.ranks = reference.ranks;
  schedule.chunks = reference.chunks;
  schedule.microbatches = reference.microbatches;
  schedule.splitBackward = true;
  schedule.orders.resize(schedule.ranks);
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    schedule.orders[rank].reserve(orders[rank].size());
    for (uint32_t id : orders[rank])
      schedule.orders[rank].push_back(actionOf(rank, id));
  }
  return schedule;
}

uint64_t SplitProblem::peakBytes(const IdOrders &orders, const std::vector<double> &finish) const {
  Figures figures = measureOrders(reference, graph, orders, finish, seconds, problem->costs);
  if (figures.peakBytes.empty())
    return 0;
  return *std::max_element(figures.peakBytes.begin(), figures.peakBytes.end());
}

uint32_t SplitProblem::encoderUnits(const IdOrders &orders,
                                    const std::vector<double> &finish) const {
  return measureOrders(reference, graph, orders, finish, seconds, problem->costs).peakEncoderUnits;
}

} // namespace bigmac::planning
