//===- CutSearch.cpp - Derives window and warm-up by executing ------------===//

#include "CutSearch.h"
#include "ActionGraph.h"
#include "CutConstruction.h"
#include "Figures.h"
#include "OrderRunner.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace bigmac::planning {

namespace {

/// Executing every window takes units x actions steps. Up to this many executed actions for each
/// step of effort, all windows are tried; beyond, at least the first that works and
/// `leastWindowsTried - 1` more.
constexpr uint64_t actionsPerEffort = 10u << 20;
constexpr uint32_t leastWindowsTried = 2;

/// Makespans this close are equal: sums in another order differ by rounding.
constexpr double equalMakespan = 1e-9;

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
      : problem(problem), recipe(recipe), cuts(cuts) {
    for (uint32_t extra : extraWarmups()) {
      IdOrders orders(problem.ranks);
      for (uint32_t rank = 0; rank < problem.ranks; ++rank)
        for (const Action &action : recipe.llmOrder(cuts.workload, rank, extra))
          orders[rank].push_back(index.find(rank, action));
      extras.push_back(extra);
      constructions.push_back(std::make_unique<CutConstruction>(cuts, std::move(orders)));
      if (!constructions.back()->valid() && deadlock.empty())
        deadlock = constructions.back()->explainDeadlock();
    }
  }

  Result<Schedule> run() {
    if (recipe.encoderFirst || !cuts.workload.hasEncoder)
      tryWindow(cuts.workload.hasEncoder ? cuts.units() : 0);
    else
      tryWindows();
    if (candidates.empty())
      return failure();
    return scheduleOf(best());
  }

private:
  std::vector<uint32_t> extraWarmups() const {
    // The last rank must forward a whole unit before its first backward, which waits for that
    // unit's generator.
    if (!recipe.hasWarmup || !cuts.workload.hasGenerator || !cuts.workload.anyBackward())
      return {0};
    return {problem.ranks - 1, problem.ranks};
  }

  void tryWindows() {
    uint64_t budget = std::max<uint64_t>(1, problem.effort) * actionsPerEffort;
    uint32_t tried = 0;
    for (uint32_t window = 1; window <= cuts.units(); ++window) {
      tried += tryWindow(window);
      if (executed > budget && tried >= leastWindowsTried)
        return;
    }
  }

  /// Whether the window works, memory aside.
  bool tryWindow(uint32_t window) {
    bool works = false;
    for (size_t i = 0; i < constructions.size(); ++i) {
      if (!constructions[i]->valid())
        continue;
      IdOrders orders = constructions[i]->insertUnits(window, recipe.encoderFirst);
      bool complete = runner.run(cuts.graph, orders, cuts.seconds, cuts.transfer);
      executed += runner.ran;
      if (!complete) {
        if (deadlock.empty())
          deadlock = runner.explainDeadlock(
              cuts.graph, orders, [&](uint32_t id) { return describeId(cuts.reference, id); });
        continue;
      }
      works = true;
      if (fits(orders))
        candidates.push_back({window, i, runner.makespan});
    }
    return works;
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

  Schedule scheduleOf(const Candidate &candidate) const {
    IdOrders orders =
        constructions[candidate.warmup]->insertUnits(candidate.window, recipe.encoderFirst);
    Schedule schedule;
    schedule.ranks = problem.ranks;
    schedule.chunks = problem.chunks;
    schedule.microbatches = problem.microbatches;
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
      return Error{"no window keeps activations within the memory limit of " +
                   std::to_string(*problem.memoryLimit) + " bytes a rank; the least limit that " +
                   "works with this schedule is " + std::to_string(leastBytes) + " bytes"};
    return Error{"the dependencies of this program do not fit the schedule: " + deadlock};
  }

  const Problem &problem;
  const CutRecipe &recipe;
  const CutProblem &cuts;
  std::vector<uint32_t> extras;
  std::vector<std::unique_ptr<CutConstruction>> constructions;
  OrderRunner runner;
  std::vector<Candidate> candidates;
  uint64_t executed = 0;
  uint64_t leastBytes = std::numeric_limits<uint64_t>::max();
  std::string deadlock;
};

} // namespace

Result<Schedule> searchCuts(const Problem &problem, const CutRecipe &recipe) {
  Workload workload =
      workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches);
  Schedule reference;
  reference.ranks = problem.ranks;
  reference.chunks = problem.chunks;
  reference.microbatches = problem.microbatches;
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
  return CutSearch(problem, recipe, cuts, *index).run();
}

} // namespace bigmac::planning
