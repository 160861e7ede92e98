//===- Simulation.cpp - Builds, executes and measures a schedule ----------===//

#include "Simulation.h"

namespace bigmac::sim {

using namespace planning;

Result<Simulation> simulate(ScheduleKind kind, const Problem &given, const Jitter &jitter) {
  Problem problem = given;
  std::optional<Split> split;
  if (kind == ScheduleKind::SeparateStages) {
    Result<Split> found = searchSplit(problem);
    if (!found)
      return found.error();
    split = std::move(*found);
    problem = withSplit(std::move(problem), *split);
  }
  Result<Schedule> schedule = buildSchedule(kind, problem);
  if (!schedule)
    return schedule.error();
  Simulation simulation;
  simulation.kind = kind;
  simulation.split = std::move(split);
  simulation.costs = problem.costs;
  simulation.schedule = std::move(*schedule);
  simulation.jitter = jitter;
  simulation.memoryLimit = problem.memoryLimit;
  simulation.dependencies = std::make_unique<StandardDependencies>(
      workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches,
                 problem.placement),
      simulation.schedule.splitGenerator);

  Result<Timing> timing =
      execute(simulation.schedule, *simulation.dependencies, simulation.costs, jitter);
  if (!timing)
    return timing.error();
  simulation.timing = std::move(*timing);
  Result<Figures> figures = measure(simulation.schedule, simulation.timing,
                                    *simulation.dependencies, simulation.costs, jitter);
  if (!figures)
    return figures.error();
  simulation.figures = std::move(*figures);
  simulation.plannedMakespan = simulation.figures.makespan;
  if (!jitter.none()) {
    Result<Timing> planned =
        execute(simulation.schedule, *simulation.dependencies, simulation.costs);
    if (!planned)
      return planned.error();
    simulation.plannedMakespan = planned->makespan;
  }
  if (problem.robust || simulation.figures.actions <= mostRobustnessActions) {
    Result<std::vector<Spread>> spreads =
        measureRobustness(simulation.schedule, *simulation.dependencies, simulation.costs,
                          jitter.seed, robustnessSeeds);
    if (!spreads)
      return spreads.error();
    simulation.robustness = std::move(*spreads);
  }
  return simulation;
}

} // namespace bigmac::sim
