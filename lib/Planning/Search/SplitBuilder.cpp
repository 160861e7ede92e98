//===- SplitBuilder.cpp - The best schedule with a split backward ---------===//

#include "SplitBuilder.h"
#include "SplitSearch.h"

#include <algorithm>
#include <string>

namespace bigmac::planning {

namespace {

/// Makespans this close are equal: sums in another order differ by rounding.
constexpr double equalMakespan = 1e-9;
/// Actions that the search times for each step of effort.
constexpr uint64_t actionsPerEffort = 6u << 20;
/// A problem of more actions is searched with fewer microbatches: so many groups of P.
constexpr uint64_t mostSearchedActions = 64u << 10;
constexpr uint32_t leastSearchedGroups = 6;

/// Most chunks held on a rank, with whole backwards.
uint32_t mostHeld(const Schedule &schedule, const SplitProblem &split) {
  uint32_t most = 0;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    uint32_t held = 0;
    for (const Action &action : schedule.orders[rank]) {
      if (action.component != Component::Llm || !split.hasBackward(rank, action))
        continue;
      held = action.phase == Phase::Forward ? held + 1 : held - 1;
      most = std::max(most, held);
    }
  }
  return most;
}

/// `problem` with `microbatches`, the first ones.
Problem shortened(const Problem &problem, uint32_t microbatches) {
  Problem result = problem;
  result.microbatches = microbatches;
  auto cut = [&](PerIndex<double> &figures) {
    if (figures.isList())
      figures =
          std::vector<double>(figures.stored().begin(), figures.stored().begin() + microbatches);
  };
  for (std::optional<Costs::Part> *part : {&result.costs.encoder, &result.costs.generator}) {
    if (!*part)
      continue;
    cut((*part)->forward);
    if ((*part)->backward)
      cut(*(*part)->backward);
  }
  return result;
}

/// Microbatches to search with: all, or fewer groups of P and the same rest.
uint32_t searchedMicrobatches(const Problem &problem, uint64_t actions) {
  const uint32_t groups = problem.microbatches / problem.ranks;
  const uint64_t perGroup = std::max<uint64_t>(1, actions / std::max(1u, groups));
  const auto searched = static_cast<uint32_t>(
      std::max<uint64_t>(leastSearchedGroups, mostSearchedActions / perGroup));
  if (groups <= searched)
    return problem.microbatches;
  return searched * problem.ranks + problem.microbatches % problem.ranks;
}

} // namespace

Result<Schedule> buildSplit(const Problem &problem, const Schedule &unsplit, bool encoderFirst,
                            uint32_t moreHeld) {
  Result<SplitProblem> split = SplitProblem::build(problem);
  if (!split)
    return split.error();
  const uint32_t ranks = problem.ranks;
  const bool limited = problem.memoryLimit.has_value();

  SplitBounds bounds;
  const auto units = (problem.microbatches + ranks - 1) / ranks;
  if (split->workload.hasEncoder && !encoderFirst)
    bounds.units = std::min(units, limited ? unsplit.window + 3 : std::max(3u, unsplit.window));
  bounds.waiting = limited ? 4 * ranks * problem.chunks : ranks;
  bounds.held = limited ? FillPolicy::noLimit : mostHeld(unsplit, *split) + moreHeld;
  bounds.longer = limited || moreHeld > 0 ? ranks - 1 : 0;
  bounds.leastExtra = unsplit.warmupExtra > 0 ? ranks - 1 : 0;
  bounds.mostExtra = std::max(unsplit.warmupExtra, bounds.leastExtra + bounds.longer);

  SplitPlan start;
  start.shape.extra = unsplit.warmupExtra;
  start.shape.window = encoderFirst ? 0 : unsplit.window;
  start.waiting = ranks;
  start.earlyUnits = bounds.units;
  start.lateBackwards = bounds.units > 0;
  start.shape.justInTime = bounds.units > 0;

  const uint64_t budget = std::max(1u, problem.effort) * actionsPerEffort;
  const size_t tried = 2 + problem.effort;
  std::vector<SplitPlan> plans;
  uint32_t searched = searchedMicrobatches(problem, split->graph.size());
  if (searched < problem.microbatches) {
    Problem smaller = shortened(problem, searched);
    if (Result<SplitProblem> smallerSplit = SplitProblem::build(smaller)) {
      PlanEvaluator evaluator(*smallerSplit, bounds.held);
      plans = searchPlans(evaluator, start, bounds, budget, tried);
    }
  }
  PlanEvaluator evaluator(*split, bounds.held);
  if (plans.empty())
    plans = searchPlans(evaluator, start, bounds, budget, 1);

  // Never slower than the whole backwards: their order, with each weight gradient at once.
  OrderRunner runner;
  IdOrders atOnce = weightGradientsAtOnce(*split, split->idsOf(unsplit));
  runner.run(split->graph, atOnce, split->seconds, problem.costs.transfer);
  uint64_t atOnceBytes = limited ? split->peakBytes(atOnce, runner.finish) : 0;
  double least = std::numeric_limits<double>::infinity();
  std::optional<SplitPlan> best;
  for (const SplitPlan &plan : plans) {
    SplitOutcome outcome = evaluator.evaluate(plan);
    if ((limited && outcome.bytes > *problem.memoryLimit) ||
        !(outcome.makespan < least * (1 - equalMakespan)))
      continue;
    least = outcome.makespan;
    best = plan;
  }
  const bool atOnceFits = !limited || atOnceBytes <= *problem.memoryLimit;
  if (best && !(atOnceFits && runner.makespan <= least))
    if (std::optional<Schedule> schedule = evaluator.build(*best))
      return *std::move(schedule);
  if (atOnceFits) {
    Schedule schedule = split->scheduleOf(atOnce);
    schedule.window = unsplit.window;
    schedule.warmupExtra = unsplit.warmupExtra;
    return schedule;
  }
  return Error{"no order of weight gradients that was tried keeps activations within the memory "
               "limit of " +
               std::to_string(*problem.memoryLimit) +
               " bytes a rank; the least limit that works with this schedule is " +
               std::to_string(std::min(atOnceBytes, evaluator.leastBytes())) + " bytes"};
}

} // namespace bigmac::planning
