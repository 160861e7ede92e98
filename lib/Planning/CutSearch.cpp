//===- CutSearch.cpp - Derives window and warm-up by executing ------------===//

#include "CutSearch.h"
#include "ActionGraph.h"
#include "CutConstruction.h"
#include "Figures.h"
#include "OrderRunner.h"
#include "RobustChoice.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace bigmac::planning {

namespace {

/// Executing every window takes units x actions steps. Up to this many executed actions for each
/// step of effort, all windows are tried.
constexpr uint64_t actionsPerEffort = 2u << 20;
/// Beyond that, windows are tried until so many in a row bring nothing, ...
constexpr uint32_t idleWindows = 4;
/// ... or until so many times as many actions were executed, but at least the first window that
/// works and `leastWindowsTried - 1` more.
constexpr uint64_t mostOverrun = 5;
constexpr uint32_t leastWindowsTried = 2;

/// Makespans this close are equal: sums in another order differ by rounding.
constexpr double equalMakespan = 1e-9;

/// Of one problem with components apart: a search over splits solves many.
constexpr uint64_t actionsPerEffortApart = 1u << 20;

struct Candidate {
  uint32_t window = 0;
  /// Index into the constructions.
  size_t warmup = 0;
  double makespan = 0;
};

class CutSearch {
public:
  CutSearch(const Problem &problem, const CutRecipe &recipe, const CutProblem &cuts,
            const ActionIndex &index)
      : problem(problem), recipe(recipe), cuts(cuts), index(index), extras(extraWarmups()),
        constructions(extras.size()) {}

  Result<Schedule> run(CutOutcome &outcome) {
    const bool windowed = cuts.workload.hasEncoder && !recipe.encoderFirst;
    const uint32_t widest = cuts.workload.hasEncoder ? cuts.encoderUnits() : 0;
    const uint64_t all = uint64_t(windowed ? widest : 1) * extras.size() * cuts.graph.size();
    if (recipe.apart && all > budget(actionsPerEffortApart))
      tryByHalving(windowed ? 1 : widest, widest);
    else if (windowed)
      tryWindows();
    else
      tryWindow(widest);
    outcome.leastBytes = leastBytes;
    if (candidates.empty())
      return failure();
    Candidate chosen = problem.robust ? robust() : best();
    outcome.makespan = chosen.makespan;
    return scheduleOf(chosen);
  }

private:
  std::vector<uint32_t> extraWarmups() const {
    if (!recipe.extraWarmups.empty())
      return recipe.extraWarmups;
    if (!recipe.hasWarmup || !cuts.workload.anyBackward())
      return {0};
    const uint32_t ranks =
        cuts.workload.ranksOf(cuts.workload.hasGenerator ? Component::Generator : Component::Llm)
            .count;
    // The last rank must forward a whole unit before its first backward, which waits for that
    // unit's generator.
    std::vector<uint32_t> extras = cuts.workload.hasGenerator
                                       ? std::vector<uint32_t>{ranks - 1, ranks}
                                       : std::vector<uint32_t>{0};
    // Where times vary, further forwards keep the others busy while one rank is late.
    if (problem.robust)
      extras.insert(extras.end(), {2 * ranks, 4 * ranks});
    return extras;
  }

  uint64_t budget(uint64_t each) const { return std::max<uint64_t>(1, problem.effort) * each; }

  const CutConstruction &construction(size_t warmup) {
    if (constructions[warmup])
      return *constructions[warmup];
    IdOrders orders(problem.ranks);
    RankRange llm = cuts.workload.ranksOf(Component::Llm);
    for (uint32_t rank = llm.first; rank < llm.end(); ++rank)
      for (const Action &action : recipe.llmOrder(cuts.workload, rank, extras[warmup]))
        orders[rank].push_back(index.find(rank, action));
    constructions[warmup] = std::make_unique<CutConstruction>(cuts, std::move(orders));
    if (!constructions[warmup]->valid() && deadlock.empty())
      deadlock = constructions[warmup]->explainDeadlock();
    return *constructions[warmup];
  }

  void tryWindows() {
    uint32_t tried = 0, idle = 0;
    double fastest = never;
    for (uint32_t window = 1; window <= cuts.encoderUnits(); ++window) {
      tried += tryWindow(window);
      const double now = candidates.empty() ? never : best().makespan;
      idle = now < fastest * (1 - equalMakespan) || now == never ? 0 : idle + 1;
      fastest = now;
      if (executed > budget(actionsPerEffort) && idle >= idleWindows)
        return;
      if (executed > budget(actionsPerEffort) * mostOverrun && tried >= leastWindowsTried)
        return;
    }
  }

  /// Whether the window works, memory aside.
  bool tryWindow(uint32_t window) {
    bool works = false;
    for (size_t warmup = 0; warmup < extras.size(); ++warmup)
      works |= tryOne(window, warmup) < never;
    return works;
  }

  /// Doubles the window while that helps, with the longest warm-up, then looks for the least window
  /// and the least warm-up that are as fast. Where the limit refuses all of these, shorter ones
  /// follow.
  void tryByHalving(uint32_t narrowest, uint32_t widest) {
    const size_t longest = extras.size() - 1;
    uint32_t window = narrowest;
    double fastest = tryOne(window, longest);
    while (window < widest) {
      uint32_t next = std::min<uint64_t>(widest, uint64_t(window) * 2);
      double makespan = tryOne(next, longest);
      if (fastest < never && makespan >= fastest * (1 - equalMakespan))
        break;
      window = next;
      fastest = makespan;
    }
    auto asFast = [&](uint32_t narrow, size_t warmup) {
      return tryOne(narrow, warmup) <= fastest * (1 + equalMakespan);
    };
    for (uint32_t low = narrowest; low < window;) {
      uint32_t middle = low + (window - low) / 2;
      if (asFast(middle, longest))
        window = middle;
      else
        low = middle + 1;
    }
    for (size_t low = 0, high = longest; low < high;) {
      size_t middle = (low + high) / 2;
      if (asFast(window, middle))
        high = middle;
      else
        low = middle + 1;
    }
    for (uint32_t narrow = window; candidates.empty() && narrow > narrowest;) {
      narrow = std::max(narrowest, narrow / 2);
      tryWindow(narrow);
    }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
      return std::pair(a.window, a.warmup) < std::pair(b.window, b.warmup);
    });
  }

  static constexpr double never = std::numeric_limits<double>::infinity();

  /// The executed makespan, or `never` for a deadlock.
  double tryOne(uint32_t window, size_t warmup) {
    if (!construction(warmup).valid())
      return never;
    IdOrders orders = construction(warmup).insertUnits(window, recipe.encoderFirst);
    bool complete = runner.run(cuts.graph, orders, cuts.seconds, cuts.transfer);
    executed += runner.ran;
    if (!complete) {
      if (deadlock.empty())
        deadlock = runner.explainDeadlock(
            cuts.graph, orders, [&](uint32_t id) { return describeId(cuts.reference, id); });
      return never;
    }
    if (fits(orders))
      candidates.push_back({window, warmup, runner.makespan});
    return runner.makespan;
  }

  bool fits(const IdOrders &orders) {
    if (!problem.memoryLimit || !problem.costs.activationBytes)
      return true;
    Figures figures = measureOrders(cuts.reference, cuts.graph, orders, runner.finish, cuts.seconds,
                                    problem.costs);
    uint64_t most = *std::max_element(figures.peakBytes.begin(), figures.peakBytes.end());
    leastBytes = std::min(leastBytes, most);
    return most <= *problem.memoryLimit;
  }

  Candidate best() const {
    double least = std::numeric_limits<double>::infinity();
    for (const Candidate &candidate : candidates)
      least = std::min(least, candidate.makespan);
    // Candidates are in the order of window, then warm-up.
    return *std::find_if(candidates.begin(), candidates.end(), [&](const Candidate &candidate) {
      return candidate.makespan <= least * (1 + equalMakespan);
    });
  }

  /// Among the fastest: one of those that lose least when times vary, with the least window, then
  /// the least warm-up.
  Candidate robust() const {
    const double most = best().makespan * (1 + robustTolerance);
    std::vector<Candidate> fast;
    for (const Candidate &candidate : candidates)
      if (candidate.makespan <= most)
        fast.push_back(candidate);
    const size_t compared = comparedPlans(problem.effort, cuts.graph.size());
    if (fast.size() > compared)
      fast.resize(compared);
    return fast[mostRobust(cuts.reference, cuts.graph, problem.costs, fast.size(), [&](size_t i) {
      return constructions[fast[i].warmup]->insertUnits(fast[i].window, recipe.encoderFirst);
    })];
  }

  Schedule scheduleOf(const Candidate &candidate) const {
    IdOrders orders =
        constructions[candidate.warmup]->insertUnits(candidate.window, recipe.encoderFirst);
    Schedule schedule;
    schedule.ranks = problem.ranks;
    schedule.chunks = problem.chunks;
    schedule.microbatches = problem.microbatches;
    schedule.placement = problem.placement;
    schedule.window = candidate.window;
    schedule.warmupExtra = extras[candidate.warmup];
    schedule.orders.resize(problem.ranks);
    for (uint32_t rank = 0; rank < problem.ranks; ++rank) {
      schedule.orders[rank].reserve(orders[rank].size());
      for (uint32_t id : orders[rank])
        schedule.orders[rank].push_back(
            cuts.reference.orders[rank][id - cuts.graph.rankBegin[rank]]);
    }
    return schedule;
  }

  Error failure() const {
    if (leastBytes != std::numeric_limits<uint64_t>::max())
      return overMemoryLimit("window", *problem.memoryLimit, leastBytes);
    return Error{"the dependencies of this program do not fit the schedule: " + deadlock};
  }

  const Problem &problem;
  const CutRecipe &recipe;
  const CutProblem &cuts;
  const ActionIndex &index;
  std::vector<uint32_t> extras;
  /// By extra warm-up, built when tried.
  std::vector<std::unique_ptr<CutConstruction>> constructions;
  OrderRunner runner;
  std::vector<Candidate> candidates;
  uint64_t executed = 0;
  uint64_t leastBytes = std::numeric_limits<uint64_t>::max();
  std::string deadlock;
};

} // namespace

Error overMemoryLimit(std::string_view what, uint64_t limit, uint64_t leastBytes) {
  return Error{"no " + std::string(what) + " keeps activations within the memory limit of " +
               std::to_string(limit) +
               " bytes a rank; the least limit that works with this schedule is " +
               std::to_string(leastBytes) + " bytes"};
}

Result<Schedule> searchCuts(const Problem &problem, const CutRecipe &recipe, CutOutcome *outcome) {
  Workload workload = workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches,
                                 problem.placement);
  Schedule reference;
  reference.ranks = problem.ranks;
  reference.chunks = problem.chunks;
  reference.microbatches = problem.microbatches;
  reference.placement = problem.placement;
  for (uint32_t rank = 0; rank < problem.ranks; ++rank)
    reference.orders.push_back(actionsOf(workload, rank, false, false));

  Result<ActionIndex> index = ActionIndex::build(reference);
  if (!index)
    return index.error();
  std::optional<StandardDependencies> standard;
  if (!problem.dependencies)
    standard.emplace(workload);
  const Dependencies &dependencies = standard ? *standard : *problem.dependencies;
  Result<ActionGraph> graph = ActionGraph::build(reference, *index, dependencies);
  if (!graph)
    return graph.error();
  CutProblem cuts(workload, reference, *graph, secondsById(reference, problem.costs),
                  problem.costs.transfer);
  CutOutcome unused;
  return CutSearch(problem, recipe, cuts, *index).run(outcome ? *outcome : unused);
}

} // namespace bigmac::planning
