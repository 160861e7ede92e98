//===- LowerBound.cpp - What no schedule can be faster than ---------------===//

#include "bigmac/Planning/LowerBound.h"
#include "ActionGraph.h"
#include "Figures.h"
#include "LongestPaths.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <utility>

namespace bigmac::planning {

namespace {

/// Ids in an order in which producers come first; shorter where there is a cycle.
std::vector<uint32_t> topologicalOrder(const ActionGraph &graph) {
  const uint32_t count = graph.size();
  // Consumers by producer, in flat arrays.
  std::vector<uint32_t> begin(size_t(count) + 1, 0), missing(count, 0);
  for (const Edge &edge : graph.edges)
    ++begin[edge.producer + size_t(1)];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<uint32_t> consumers(graph.edges.size()), next(begin.begin(), begin.end() - 1);
  for (uint32_t id = 0; id < count; ++id) {
    for (Edge edge : graph.producers(id))
      consumers[next[edge.producer]++] = id;
    missing[id] = static_cast<uint32_t>(graph.producers(id).size());
  }
  std::vector<uint32_t> order;
  order.reserve(count);
  for (uint32_t id = 0; id < count; ++id)
    if (missing[id] == 0)
      order.push_back(id);
  for (size_t i = 0; i < order.size(); ++i)
    for (uint32_t at = begin[order[i]]; at < begin[order[i] + size_t(1)]; ++at)
      if (--missing[consumers[at]] == 0)
        order.push_back(consumers[at]);
  return order;
}

/// The preemptive schedule of one rank that always runs the available action of the longest tail:
/// the greatest end plus tail.
double oneRankBound(uint32_t begin, uint32_t end, std::span<const double> seconds,
                    const LongestPaths &paths) {
  std::vector<uint32_t> byHead(end - begin);
  std::iota(byHead.begin(), byHead.end(), begin);
  std::sort(byHead.begin(), byHead.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(paths.head[a], a) < std::pair(paths.head[b], b);
  });
  // (tail, seconds left) of the available actions.
  std::priority_queue<std::pair<double, double>> available;
  double bound = 0, now = 0;
  for (size_t i = 0; i < byHead.size() || !available.empty();) {
    if (available.empty())
      now = std::max(now, paths.head[byHead[i]]);
    for (; i < byHead.size() && paths.head[byHead[i]] <= now; ++i)
      available.emplace(paths.tail[byHead[i]], seconds[byHead[i]]);
    auto [tail, left] = available.top();
    available.pop();
    if (i < byHead.size() && now + left > paths.head[byHead[i]]) {
      available.emplace(tail, left - (paths.head[byHead[i]] - now));
      now = paths.head[byHead[i]];
      continue;
    }
    now += left;
    bound = std::max(bound, now + tail);
  }
  return bound;
}

} // namespace

LongestPaths longestPaths(const ActionGraph &graph, std::span<const double> seconds,
                          double transfer) {
  std::vector<uint32_t> order = topologicalOrder(graph);
  LongestPaths paths;
  if (order.size() != graph.size())
    return paths;
  paths.head.assign(graph.size(), 0.0);
  paths.tail.assign(graph.size(), 0.0);
  for (uint32_t id : order)
    for (Edge edge : graph.producers(id))
      paths.head[id] = std::max(paths.head[id], paths.head[edge.producer] + seconds[edge.producer] +
                                                    edge.hops * transfer);
  for (size_t i = order.size(); i-- > 0;)
    for (Edge edge : graph.producers(order[i]))
      paths.tail[edge.producer] =
          std::max(paths.tail[edge.producer],
                   edge.hops * transfer + seconds[order[i]] + paths.tail[order[i]]);
  return paths;
}

double boundOf(const ActionGraph &graph, std::span<const double> seconds,
               const LongestPaths &paths) {
  double bound = 0;
  for (uint32_t rank = 0; rank < graph.ranks(); ++rank)
    bound = std::max(
        bound, oneRankBound(graph.rankBegin[rank], graph.rankBegin[rank + 1], seconds, paths));
  return bound;
}

Result<double> lowerBound(const Schedule &schedule, const Dependencies &dependencies,
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
  LongestPaths paths = longestPaths(*graph, seconds, costs.transfer);
  if (paths.head.size() != graph->size())
    return Error{"the dependencies form a cycle: no order of the actions runs them"};
  return boundOf(*graph, seconds, paths);
}

} // namespace bigmac::planning
