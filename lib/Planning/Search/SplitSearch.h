//===- SplitSearch.h - Searches schedules with a split backward -*- C++ -*-===//
//
// Private to the library.
//
// A plan is a handful of numbers: the shape of an order (MainOrders) and how its gaps are filled
// (GapFiller). A plan's schedule is built and timed in one pass over the actions, so plans are
// compared by what they really take. The search changes one number at a time as long as that helps.
// A large problem is searched with fewer microbatches, as start-up and drain are the same and the
// steady state between them repeats; the best few plans are then built in full.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_SPLITSEARCH_H
#define BIGMAC_LIB_PLANNING_SEARCH_SPLITSEARCH_H

#include "GapFiller.h"
#include "MainOrders.h"
#include "SplitProblem.h"

#include <compare>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

namespace bigmac::planning {

struct SplitPlan {
  MainShape shape;
  /// Most weight gradients that wait on a rank.
  uint32_t waiting = 0;
  /// Encoder units alive up to which forwards come early.
  uint32_t earlyUnits = 0;
  bool lateBackwards = false;
  /// In quarters: the part of its time that work needs a gap for.
  uint32_t share = 4;

  friend auto operator<=>(const SplitPlan &, const SplitPlan &) = default;
};

/// What the search may use.
struct SplitBounds {
  /// Most encoder units alive; 0 without encoder, or where all are (`MainShape::window` 0).
  uint32_t units = 0;
  uint32_t waiting = 0;
  uint32_t held = FillPolicy::noLimit;
  uint32_t longer = 0;
  /// Least `MainShape::extra`, and the most.
  uint32_t leastExtra = 0, mostExtra = 0;
};

/// A plan that was built.
struct SplitOutcome {
  double makespan = std::numeric_limits<double>::infinity();
  /// Most activation bytes on a rank; 0 without a memory limit.
  uint64_t bytes = 0;
};

/// Builds and times plans of one problem, each once.
class PlanEvaluator {
public:
  PlanEvaluator(const SplitProblem &split, uint32_t held);

  SplitOutcome evaluate(const SplitPlan &plan);
  /// The orders of a plan that does not deadlock.
  IdOrders build(const SplitPlan &plan);
  /// Actions that were timed.
  uint64_t work() const { return timed; }
  uint64_t leastBytes() const { return least; }
  const SplitProblem &problem() const { return split; }

private:
  FilledOrders fill(const SplitPlan &plan);

  const SplitProblem &split;
  uint32_t held;
  MainOrders orders;
  GapFiller filler;
  /// The last order that was built: plans that differ only in filling share it.
  std::optional<MainShape> shape;
  IdOrders main;
  std::map<SplitPlan, SplitOutcome> known;
  uint64_t timed = 0;
  uint64_t least = std::numeric_limits<uint64_t>::max();
};

/// Plans in the order of their makespan, best first, at most `count` of them: from `start`, one
/// number at a time, until nothing helps or `budget` actions have been timed. Among plans of equal
/// makespan the one that holds less is first. Those above the memory limit are left out.
std::vector<SplitPlan> searchPlans(PlanEvaluator &evaluator, const SplitPlan &start,
                                   const SplitBounds &bounds, uint64_t budget, size_t count);

/// The same search's fastest plan of each shape, of those within `tolerance` of the fastest of all.
std::vector<SplitPlan> searchShapes(PlanEvaluator &evaluator, const SplitPlan &start,
                                    const SplitBounds &bounds, uint64_t budget, size_t count,
                                    double tolerance);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_SPLITSEARCH_H
