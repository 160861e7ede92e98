//===- SplitBuilder.cpp - The best schedule with a split backward ---------===//

#include "SplitBuilder.h"
#include "../CutSearch.h"
#include "../LongestPaths.h"
#include "../RobustChoice.h"
#include "OrderRefiner.h"
#include "SplitSearch.h"

#include <algorithm>
#include <string_view>
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

/// What keeps no memory limit, in errors.
constexpr std::string_view triedOrders = "order of weight gradients that was tried";
/// Higher limits that are tried to name one that works.
constexpr unsigned mostLimitsTried = 8;

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
  SplitBuilder(const Problem &problem, const SplitProblem &split, const SplitStart &start)
      : problem(problem), split(split), start(start), unsplit(start.unsplit),
        evaluator(split, heldBound()) {
    const uint32_t ranks = problem.ranks;
    const bool limited = problem.memoryLimit.has_value();
    const uint32_t units = (problem.microbatches + ranks - 1) / ranks;
    if (split.workload.hasEncoder && !start.encoderFirst)
      bounds.units = std::min(units, limited ? unsplit.window + 3 : std::max(3u, unsplit.window));
    bounds.waiting = limited ? 4 * ranks * problem.chunks : ranks;
    bounds.held = heldBound();
    bounds.longer = limited || start.moreHeld > 0 ? ranks - 1 : 0;
    // A generator's unit must be forwarded as a whole before the last rank's first backward.
    bounds.leastExtra = std::min(unsplit.warmupExtra, split.workload.hasGenerator ? ranks - 1 : 0);
    bounds.mostExtra = std::max(unsplit.warmupExtra, bounds.leastExtra + bounds.longer);
  }

  Result<Schedule> run() {
    takeUnsplit();
    takeUnlimited();
    for (const SplitPlan &plan : plans())
      take(plan);
    if (best.orders.empty())
      return overMemoryLimit(triedOrders, *problem.memoryLimit, needed());
    refine();
    return scheduleOf(best);
  }

  /// The least bytes that anything tried needs, with a memory limit.
  uint64_t needed() const { return std::min(leastBytes, evaluator.leastBytes()); }
  /// What the schedules that it starts from need: limits that work.
  uint64_t startBytes() const {
    const IdOrders orders = weightGradientsAtOnce(split, split.idsOf(unsplit));
    uint64_t bytes = split.peakBytes(orders, finishOf(orders));
    if (start.unlimited) {
      const IdOrders other = split.idsOf(*start.unlimited);
      bytes = std::min(bytes, split.peakBytes(other, finishOf(other)));
    }
    return bytes;
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
  uint32_t heldBound() const {
    return problem.memoryLimit ? FillPolicy::noLimit : mostHeld(unsplit, split) + start.moreHeld;
  }

  /// The unsplit order, with each weight gradient directly behind its backward: not slower.
  void takeUnsplit() {
    IdOrders orders = weightGradientsAtOnce(split, split.idsOf(unsplit));
    OrderRunner runner;
    runner.run(split.graph, orders, split.seconds, problem.costs.transfer);
    if (fits(orders, runner.finish))
      best = {std::move(orders), runner.makespan, unsplit.window, unsplit.warmupExtra};
  }

  /// A search under a limit takes another way than one without, to a plan that may be slower.
  void takeUnlimited() {
    if (!start.unlimited)
      return;
    IdOrders orders = split.idsOf(*start.unlimited);
    OrderRunner runner;
    runner.run(split.graph, orders, split.seconds, problem.costs.transfer);
    if (fits(orders, runner.finish) && runner.makespan < best.makespan)
      best = {std::move(orders), runner.makespan, start.unlimited->window,
              start.unlimited->warmupExtra};
  }

  std::vector<SplitPlan> plans() {
    SplitPlan first;
    first.shape.extra = unsplit.warmupExtra;
    first.shape.window = start.encoderFirst ? 0 : unsplit.window;
    first.waiting = problem.ranks;
    first.earlyUnits = bounds.units;
    first.lateBackwards = bounds.units > 0;
    first.shape.justInTime = bounds.units > 0;

    const uint32_t searched = searchedMicrobatches(problem, split.graph.size());
    if (searched < problem.microbatches) {
      Problem smaller = shortened(problem, searched);
      if (Result<SplitProblem> smallerSplit = SplitProblem::build(smaller)) {
        PlanEvaluator smallerEvaluator(*smallerSplit, bounds.held);
        std::vector<SplitPlan> found = search(smallerEvaluator, first, 2 + problem.effort);
        if (!found.empty())
          return found;
      }
    }
    return search(evaluator, first, 1);
  }

  /// The `count` fastest plans; robust ones are chosen among more.
  std::vector<SplitPlan> search(PlanEvaluator &with, const SplitPlan &first, size_t count) const {
    const uint64_t budget = std::max(1u, problem.effort) * actionsPerEffort;
    if (problem.robust)
      return searchShapes(with, first, bounds, budget,
                          comparedPlans(problem.effort, split.graph.size()), robustTolerance);
    return searchPlans(with, first, bounds, budget, count);
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

  const Problem &problem;
  const SplitProblem &split;
  const SplitStart &start;
  const Schedule &unsplit;
  SplitBounds bounds;
  PlanEvaluator evaluator;
  Candidate best;
  uint64_t leastBytes = std::numeric_limits<uint64_t>::max();
};

} // namespace

Result<Schedule> buildSplit(const Problem &problem, const SplitStart &start, uint64_t *leastLimit) {
  Result<SplitProblem> split = SplitProblem::build(problem);
  if (!split)
    return split.error();
  SplitBuilder builder(problem, *split, start);
  Result<Schedule> built = builder.run();
  if (built || !problem.memoryLimit)
    return built;
  // Gaps are filled with the limit in view, so what one needs under this limit may not be met again
  // under another: only a limit that was tried is named.
  const uint64_t most = builder.startBytes();
  Problem relaxed = problem;
  split->problem = &relaxed;
  uint64_t least = std::min(builder.needed(), most);
  for (unsigned tried = 0; least < most; ++tried) {
    relaxed.memoryLimit = least;
    SplitBuilder again(relaxed, *split, start);
    if (again.run())
      break;
    least = tried == mostLimitsTried ? most : std::min(most, std::max(least + 1, again.needed()));
  }
  if (leastLimit)
    *leastLimit = least;
  return overMemoryLimit(triedOrders, *problem.memoryLimit, least);
}

Result<Schedule> buildRobustSplit(const Problem &problem, const SplitStart &start,
                                  const Schedule &fast) {
  Result<SplitProblem> split = SplitProblem::build(problem);
  if (!split)
    return split.error();
  return SplitBuilder(problem, *split, start).runRobust(fast);
}

} // namespace bigmac::planning
