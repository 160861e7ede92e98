//===- SplitProblem.h - A step with its backward split ----------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_SPLITPROBLEM_H
#define BIGMAC_LIB_PLANNING_SEARCH_SPLITPROBLEM_H

#include "../ActionGraph.h"
#include "../OrderRunner.h"
#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/ScheduleBuilder.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace bigmac::planning {

/// What all candidates of one problem share: every action of the step, with `Backward` the input
/// gradient alone, under dense ids.
class SplitProblem {
public:
  /// `problem` is valid and must outlive this. Errors: those of ActionGraph.
  static Result<SplitProblem> build(const Problem &problem);

  const Problem *problem = nullptr;
  Workload workload;
  /// Every action, in an order that need not be executable; its numbering is that of the ids.
  Schedule reference;
  ActionIndex index;
  ActionGraph graph;
  /// By id.
  std::vector<double> seconds;

  const Action &actionOf(uint32_t rank, uint32_t id) const {
    return reference.orders[rank][id - graph.rankBegin[rank]];
  }
  /// Whether the stage of an LLM action has a backward, and a weight gradient of its own.
  bool hasBackward(uint32_t rank, const Action &action) const {
    return workload.stageBackward[workload.stageOf(rank, action.chunk)];
  }
  bool hasWeightGradient(uint32_t rank, const Action &action) const {
    return workload.stageWeightGradient[workload.stageOf(rank, action.chunk)];
  }
  /// The weight gradient that belongs to the LLM backward `id`, where its stage has one.
  uint32_t weightGradientOf(uint32_t id) const {
    // actionsOf lists a chunk's backwards, then its weight gradients.
    return id + reference.microbatches;
  }

  /// The orders of a schedule without weight gradients, in ids.
  IdOrders idsOf(const Schedule &schedule) const;
  /// `orders` (of all actions) as a schedule.
  Schedule scheduleOf(const IdOrders &orders) const;

  /// Most activation bytes on a rank, of `orders` as timed by `finish`; 0 without activation bytes.
  uint64_t peakBytes(const IdOrders &orders, const std::vector<double> &finish) const;
  /// Most encoder units alive on a rank.
  uint32_t encoderUnits(const IdOrders &orders, const std::vector<double> &finish) const;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_SPLITPROBLEM_H
