//===- SplitBuilder.cpp - The best schedule with a split backward ---------===//

#include "SplitBuilder.h"
#include "../LongestPaths.h"
#include "../RobustChoice.h"
#include "OrderRefiner.h"
#include "SplitSearch.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

namespace bigmac::planning {

namespace {

/// Makespans this close are equal: sums in another order differ by rounding.
constexpr double equalMakespan = 1e-9;
/// Actions that the search times for each step of effort.
constexpr uint64_t actionsPerEffort = 6u << 20;
/// A problem of more actions is searched with fewer microbatches: so many groups of P.
constexpr uint64_t mostSearchedActions = 64u << 10;
constexpr uint32_t leastSearchedGroups = 6;
/// Actions that local search times for each step of effort, and changes that it must be able to
/// try.
constexpr uint64_t refinedActionsPerEffort = 4u << 20;
constexpr uint64_t leastRefinements = 200;

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

/// Orders of all actions, and what they take.
struct Candidate {
  IdOrders orders;
  double makespan = std::numeric_limits<double>::infinity();
  uint32_t window = 0, warmupExtra = 0;
};

class SplitBuilder {
public:
  SplitBuilder(const Problem &problem, const SplitProblem &split, const Schedule &unsplit,
               bool encoderFirst, uint32_t moreHeld)
      : problem(problem), split(split), unsplit(unsplit), encoderFirst(encoderFirst),
        evaluator(split, heldBound(moreHeld)) {
    const uint32_t ranks = problem.ranks;
    const bool limited = problem.memoryLimit.has_value();
    const uint32_t units = (problem.microbatches + ranks - 1) / ranks;
    if (split.workload.hasEncoder && !encoderFirst)
      bounds.units = std::min(units, limited ? unsplit.window + 3 : std::max(3u, unsplit.window));
    bounds.waiting = limited ? 4 * ranks * problem.chunks : ranks;
    bounds.held = heldBound(moreHeld);
    bounds.longer = limited || moreHeld > 0 ? ranks - 1 : 0;
    // A generator's unit must be forwarded as a whole before the last rank's first backward.
    bounds.leastExtra = std::min(unsplit.warmupExtra, split.workload.hasGenerator ? ranks - 1 : 0);
    bounds.mostExtra = std::max(unsplit.warmupExtra, bounds.leastExtra + bounds.longer);
  }

  Result<Schedule> run() {
    takeUnsplit();
    for (const SplitPlan &plan : plans())
      take(plan);
    if (best.orders.empty())
      return overLimit();
    refine();
    return scheduleOf(best);
  }

  /// Of `fast`, the whole backwards' order and the shapes that the search meets: the one that holds
  /// up when times vary.
  Schedule runRobust(const Schedule &fast) {
    takeUnsplit();
    std::vector<Candidate> candidates;
    if (!best.orders.empty())
      candidates.push_back(best);
    IdOrders orders = split.idsOf(fast);
    const std::vector<double> finish = finishOf(orders);
    candidates.push_back({std::move(orders), *std::max_element(finish.begin(), finish.end()),
                          fast.window, fast.warmupExtra});
    for (const SplitPlan &plan : plans()) {
      const SplitOutcome outcome = evaluator.evaluate(plan);
      if (outcome.makespan < std::numeric_limits<double>::infinity() &&
          (!problem.memoryLimit || outcome.bytes <= *problem.memoryLimit))
        candidates.push_back(candidateOf(plan, outcome.makespan));
    }
    double least = std::numeric_limits<double>::infinity();
    for (const Candidate &candidate : candidates)
      least = std::min(least, candidate.makespan);
    std::erase_if(candidates, [&](const Candidate &candidate) {
      return candidate.makespan > least * (1 + robustTolerance);
    });
    std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
      return std::tie(a.window, a.warmupExtra, a.makespan) <
             std::tie(b.window, b.warmupExtra, b.makespan);
    });
    return scheduleOf(
        candidates[mostRobust(split.reference, split.graph, problem.costs, candidates.size(),
                              [&](size_t i) { return candidates[i].orders; })]);
  }

private:
  uint32_t heldBound(uint32_t moreHeld) const {
    return problem.memoryLimit ? FillPolicy::noLimit : mostHeld(unsplit, split) + moreHeld;
  }

  /// The unsplit order, with each weight gradient directly behind its backward: not slower.
  void takeUnsplit() {
    IdOrders orders = weightGradientsAtOnce(split, split.idsOf(unsplit));
    OrderRunner runner;
    runner.run(split.graph, orders, split.seconds, problem.costs.transfer);
    if (fits(orders, runner.finish))
      best = {std::move(orders), runner.makespan, unsplit.window, unsplit.warmupExtra};
  }

  std::vector<SplitPlan> plans() {
    SplitPlan start;
    start.shape.extra = unsplit.warmupExtra;
    start.shape.window = encoderFirst ? 0 : unsplit.window;
    start.waiting = problem.ranks;
    start.earlyUnits = bounds.units;
    start.lateBackwards = bounds.units > 0;
    start.shape.justInTime = bounds.units > 0;

    const uint32_t searched = searchedMicrobatches(problem, split.graph.size());
    if (searched < problem.microbatches) {
      Problem smaller = shortened(problem, searched);
      if (Result<SplitProblem> smallerSplit = SplitProblem::build(smaller)) {
        PlanEvaluator smallerEvaluator(*smallerSplit, bounds.held);
        std::vector<SplitPlan> found = search(smallerEvaluator, start, 2 + problem.effort);
        if (!found.empty())
          return found;
      }
    }
    return search(evaluator, start, 1);
  }

  /// The `count` fastest plans; robust ones are chosen among more.
  std::vector<SplitPlan> search(PlanEvaluator &with, const SplitPlan &start, size_t count) const {
    const uint64_t budget = std::max(1u, problem.effort) * actionsPerEffort;
    if (problem.robust)
      return searchShapes(with, start, bounds, budget,
                          comparedPlans(problem.effort, split.graph.size()), robustTolerance);
    return searchPlans(with, start, bounds, budget, count);
  }

  void take(const SplitPlan &plan) {
    SplitOutcome outcome = evaluator.evaluate(plan);
    if ((problem.memoryLimit && outcome.bytes > *problem.memoryLimit) ||
        !(outcome.makespan < best.makespan * (1 - equalMakespan)))
      return;
    best = candidateOf(plan, outcome.makespan);
  }

  Candidate candidateOf(const SplitPlan &plan, double makespan) {
    // Encoder forwards that fill gaps run ahead of the order's own window.
    const uint32_t window = plan.shape.window == 0 ? unsplit.window : plan.shape.window;
    return {evaluator.build(plan), makespan, std::max(window, plan.earlyUnits),
            plan.shape.extra + plan.shape.longer};
  }

  Schedule scheduleOf(const Candidate &candidate) const {
    Schedule schedule = split.scheduleOf(candidate.orders);
    schedule.window = candidate.window;
    schedule.warmupExtra = candidate.warmupExtra;
    return schedule;
  }

  /// Local search, where the problem is small enough for it to get anywhere.
  void refine() {
    const uint64_t budget = problem.effort * refinedActionsPerEffort;
    if (split.graph.size() * leastRefinements > budget)
      return;
    RankPeaks allowed{bounds.held, bounds.waiting, bounds.units,
                      problem.memoryLimit ? int64_t(*problem.memoryLimit)
                                          : std::numeric_limits<int64_t>::max()};
    for (uint32_t rank = 0; rank < problem.ranks; ++rank) {
      RankPeaks peaks = peaksOf(split, rank, best.orders[rank]);
      allowed.chunks = std::max(allowed.chunks, peaks.chunks);
      allowed.waiting = std::max(allowed.waiting, peaks.waiting);
      allowed.units = std::max(allowed.units, peaks.units);
    }
    const double goal = boundOf(split.graph, split.seconds,
                                longestPaths(split.graph, split.seconds, problem.costs.transfer));
    IdOrders refined = best.orders;
    double makespan = OrderRefiner(split, allowed).refine(refined, goal, budget);
    if (!(makespan < best.makespan * (1 - equalMakespan)))
      return;
    OrderRunner runner;
    runner.run(split.graph, refined, split.seconds, problem.costs.transfer);
    if (split.workload.hasEncoder && !split.workload.encoderBackward &&
        split.encoderUnits(refined, runner.finish) >
            std::max(bounds.units, split.encoderUnits(best.orders, finishOf(best.orders))))
      return;
    if (!fits(refined, runner.finish))
      return;
    best.orders = std::move(refined);
    best.makespan = makespan;
  }

  std::vector<double> finishOf(const IdOrders &orders) const {
    OrderRunner runner;
    runner.run(split.graph, orders, split.seconds, problem.costs.transfer);
    return std::move(runner.finish);
  }

  bool fits(const IdOrders &orders, const std::vector<double> &finish) {
    if (!problem.memoryLimit)
      return true;
    uint64_t bytes = split.peakBytes(orders, finish);
    leastBytes = std::min(leastBytes, bytes);
    return bytes <= *problem.memoryLimit;
  }

  Error overLimit() const {
    return Error{"no order of weight gradients that was tried keeps activations within the memory "
                 "limit of " +
                 std::to_string(*problem.memoryLimit) +
                 " bytes a rank; the least limit that works with this schedule is " +
                 std::to_string(std::min(leastBytes, evaluator.leastBytes())) + " bytes"};
  }

  const Problem &problem;
  const SplitProblem &split;
  const Schedule &unsplit;
  bool encoderFirst;
  SplitBounds bounds;
  PlanEvaluator evaluator;
  Candidate best;
  uint64_t leastBytes = std::numeric_limits<uint64_t>::max();
};

} // namespace

Result<Schedule> buildSplit(const Problem &problem, const Schedule &unsplit, bool encoderFirst,
                            uint32_t moreHeld) {
  Result<SplitProblem> split = SplitProblem::build(problem);
  if (!split)
    return split.error();
  return SplitBuilder(problem, *split, unsplit, encoderFirst, moreHeld).run();
}

Result<Schedule> buildRobustSplit(const Problem &problem, const Schedule &fast,
                                  const Schedule &unsplit, bool encoderFirst, uint32_t moreHeld) {
  Result<SplitProblem> split = SplitProblem::build(problem);
  if (!split)
    return split.error();
  return SplitBuilder(problem, *split, unsplit, encoderFirst, moreHeld).runRobust(fast);
}

} // namespace bigmac::planning
