//===- MainOrders.cpp - Orders that gaps are filled in --------------------===//

#include "MainOrders.h"
#include "../LlmOrder.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace bigmac::planning {

namespace {

/// Seconds by id, with every weight gradient's added to its backward.
std::vector<double> unsplitSeconds(const SplitProblem &split) {
  std::vector<double> seconds = split.seconds;
  uint32_t id = 0;
  for (uint32_t rank = 0; rank < split.reference.ranks; ++rank) {
    for (const Action &action : split.reference.orders[rank]) {
      if (action.component == Component::Llm && action.phase == Phase::Backward &&
          split.hasWeightGradient(rank, action))
        seconds[id] += seconds[split.weightGradientOf(id)];
      ++id;
    }
  }
  return seconds;
}

} // namespace

MainOrders::MainOrders(const SplitProblem &split)
    : split(split), cuts(split.workload, split.reference, split.graph, unsplitSeconds(split),
                         split.problem->costs.transfer) {}

CutConstruction *MainOrders::construction(uint32_t extra, uint32_t longer) {
  std::unique_ptr<CutConstruction> &slot = constructions[{extra, longer}];
  if (!slot) {
    const Workload &workload = split.workload;
    IdOrders orders(workload.ranks);
    for (uint32_t rank = 0; rank < workload.ranks; ++rank) {
      uint64_t warmup =
          interleavedWarmup(workload, rank, extra) + std::min(longer, workload.ranks - rank - 1);
      for (const Action &action : interleavedOrder(workload, rank, warmup))
        orders[rank].push_back(split.index.find(rank, action));
    }
    slot = std::make_unique<CutConstruction>(cuts, std::move(orders));
  }
  return slot.get();
}

IdOrders MainOrders::build(const MainShape &shape) {
  CutConstruction *nesting = construction(shape.extra, shape.longer);
  if (!nesting->valid())
    return {};
  if (shape.window == 0)
    return nesting->insertUnits(static_cast<uint32_t>(cuts.encoderForward.size()), true);
  IdOrders orders = nesting->insertUnits(shape.window, false);
  if (shape.justInTime && shape.window > 1)
    return moveFirstForwards(std::move(orders), shape.window);
  return orders;
}

IdOrders MainOrders::moveFirstForwards(IdOrders orders, uint32_t window) {
  // Timed as if the forwards to be moved took no time; then they are inserted at cuts.
  std::vector<double> seconds = cuts.seconds;
  const auto last = static_cast<uint32_t>(std::min<size_t>(window, cuts.encoderForward.size()));
  std::vector<bool> moved(split.graph.size(), false);
  std::vector<uint32_t> unitOf(split.graph.size(), 0);
  for (uint32_t unit = 1; unit < last; ++unit) {
    for (uint32_t id : cuts.encoderForward[unit]) {
      seconds[id] = 0;
      moved[id] = true;
      unitOf[id] = unit;
    }
  }
  if (!runner.run(split.graph, orders, seconds, cuts.transfer))
    return orders;
  std::vector<double> firstUse(last, std::numeric_limits<double>::infinity());
  for (const std::vector<uint32_t> &order : orders)
    for (uint32_t id : order)
      for (Edge edge : split.graph.producers(id))
        if (moved[edge.producer])
          firstUse[unitOf[edge.producer]] =
              std::min(firstUse[unitOf[edge.producer]], runner.finish[id] - seconds[id]);
  for (uint32_t unit = last - 1; unit > 1; --unit)
    firstUse[unit - 1] = std::min(firstUse[unit - 1], firstUse[unit]);

  for (std::vector<uint32_t> &order : orders) {
    std::vector<uint32_t> waiting, result;
    for (uint32_t id : order)
      if (moved[id])
        waiting.push_back(id);
    size_t next = 0;
    for (uint32_t id : order) {
      if (moved[id])
        continue;
      double start = runner.finish[id] - seconds[id];
      for (; next < waiting.size() && firstUse[unitOf[waiting[next]]] <= start + cuts.resolution;
           ++next)
        result.push_back(waiting[next]);
      result.push_back(id);
    }
    result.insert(result.end(), waiting.begin() + static_cast<ptrdiff_t>(next), waiting.end());
    order = std::move(result);
  }
  return orders;
}

} // namespace bigmac::planning
