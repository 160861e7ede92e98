//===- ActionGraph.cpp - A schedule's actions and dependencies, flat ------===//

#include "ActionGraph.h"
#include "bigmac/Planning/Limits.h"

#include <algorithm>
#include <string>

namespace bigmac::planning {

namespace {

uint64_t otherKey(const Action &action) {
  return (static_cast<uint64_t>(action.component) << 40) |
         (static_cast<uint64_t>(action.phase) << 36) | action.microbatch;
}

Error notAnAction(uint32_t rank, size_t position, const Action &action, const std::string &why) {
  return Error{"position " + std::to_string(position) + " of rank " + std::to_string(rank) + ", " +
               describe(rank, action) + ": " + why};
}

} // namespace

bool ActionIndex::llmSlot(uint32_t rank, const Action &action, size_t &slot) const {
  unsigned phase = static_cast<unsigned>(action.phase);
  if (phase >= phases || action.chunk >= chunks || action.microbatch >= microbatches)
    return false;
  slot = ((static_cast<size_t>(rank) * phases + phase) * chunks + action.chunk) * microbatches +
         action.microbatch;
  return true;
}

Result<ActionIndex> ActionIndex::build(const Schedule &schedule) {
  ActionIndex index;
  index.phases = schedule.splitBackward ? 3 : 2;
  if (Status status =
          checkSize(schedule.ranks, schedule.chunks, schedule.microbatches, index.phases);
      !status)
    return status.error();
  if (schedule.orders.size() != schedule.ranks)
    return Error{"the schedule has " + std::to_string(schedule.ranks) + " ranks, but orders for " +
                 std::to_string(schedule.orders.size())};
  if (schedule.actionCount() > maxActions)
    return Error{"the schedule has " + std::to_string(schedule.actionCount()) +
                 " actions; at most " + std::to_string(maxActions) + " are supported"};
  if (Status status = checkPlacement(schedule.placement, schedule.ranks); !status)
    return status.error();
  index.ranks = schedule.ranks;
  index.chunks = schedule.chunks;
  index.microbatches = schedule.microbatches;
  index.llm.assign(static_cast<size_t>(schedule.ranks) * index.phases * schedule.chunks *
                       schedule.microbatches,
                   noAction);
  index.others.resize(schedule.ranks);
  index.begins.assign(1, 0);

  uint32_t id = 0;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    auto &others = index.others[rank];
    for (size_t i = 0; i < schedule.orders[rank].size(); ++i, ++id) {
      const Action &action = schedule.orders[rank][i];
      if (kindName(action) == "?")
        return notAnAction(rank, i, action, "the component has no such phase");
      if (!schedule.ranksOf(action.component).contains(rank))
        return notAnAction(rank, i, action,
                           "the " + std::string(componentName(action.component)) +
                               " is not placed on this rank");
      if (action.component != Component::Llm) {
        if (action.microbatch >= schedule.microbatches)
          return notAnAction(rank, i, action, "there is no such microbatch");
        others.emplace_back(otherKey(action), id);
        continue;
      }
      size_t slot;
      if (!index.llmSlot(rank, action, slot))
        return notAnAction(rank, i, action,
                           "expected a chunk below " + std::to_string(schedule.chunks) +
                               ", a microbatch below " + std::to_string(schedule.microbatches) +
                               " and a phase that the schedule splits");
      if (index.llm[slot] != noAction)
        return Error{describe(rank, action) + " is in the order twice, at positions " +
                     std::to_string(index.llm[slot] - index.begins[rank]) + " and " +
                     std::to_string(i)};
      index.llm[slot] = id;
    }
    std::sort(others.begin(), others.end());
    for (size_t i = 1; i < others.size(); ++i)
      if (others[i].first == others[i - 1].first)
        return Error{describe(rank, schedule.orders[rank][others[i].second - index.begins[rank]]) +
                     " is in the order twice, at positions " +
                     std::to_string(others[i - 1].second - index.begins[rank]) + " and " +
                     std::to_string(others[i].second - index.begins[rank])};
    index.begins.push_back(id);
  }
  return index;
}

uint32_t ActionIndex::find(uint32_t rank, const Action &action) const {
  if (rank >= ranks)
    return noAction;
  if (action.component == Component::Llm) {
    size_t slot;
    return llmSlot(rank, action, slot) ? llm[slot] : noAction;
  }
  uint64_t key = otherKey(action);
  auto found =
      std::lower_bound(others[rank].begin(), others[rank].end(), std::pair(key, uint32_t(0)));
  return found != others[rank].end() && found->first == key ? found->second : noAction;
}

Result<ActionGraph> ActionGraph::build(const Schedule &schedule, const ActionIndex &index,
                                       const Dependencies &dependencies) {
  ActionGraph graph;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
    graph.rankBegin.push_back(index.rankBegin(rank));
  graph.rankBegin.push_back(index.size());
  graph.edgeBegin.reserve(index.size() + 1);
  graph.edgeBegin.push_back(0);
  graph.edges.reserve(static_cast<size_t>(index.size()) * 2);

  graph.rankOfId.reserve(index.size());

  static_assert(maxRanks <= 1u << 16);
  std::vector<Dependency> needed;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    graph.rankOfId.insert(graph.rankOfId.end(), schedule.orders[rank].size(),
                          static_cast<uint16_t>(rank));
    for (const Action &consumer : schedule.orders[rank]) {
      needed.clear();
      dependencies.append(rank, consumer, needed);
      for (size_t i = 0; i < needed.size(); ++i) {
        const Dependency &dependency = needed[i];
        uint32_t producer = index.find(dependency.rank, dependency.producer);
        if (producer == noAction)
          return Error{describe(rank, consumer) + " waits for " +
                       describe(dependency.rank, dependency.producer) +
                       ", which is not in the schedule"};
        for (size_t j = 0; j < i; ++j)
          if (needed[j].rank == dependency.rank && needed[j].channel == dependency.channel &&
              needed[j].producer == dependency.producer)
            return Error{describe(rank, consumer) + " receives from " +
                         describe(dependency.rank, dependency.producer) + " twice on channel " +
                         std::to_string(dependency.channel) +
                         "; a transfer has one sender and one receiver"};
        graph.edges.push_back({producer, dependency.rank == rank ? 0u : 1u});
      }
      graph.edgeBegin.push_back(static_cast<uint32_t>(graph.edges.size()));
    }
  }
  return graph;
}

} // namespace bigmac::planning
