//===- Simulation.h - A schedule with its times and figures -----*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_SIM_SIMULATION_H
#define BIGMAC_TOOLS_BIGMAC_SIM_SIMULATION_H

#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/Robustness.h"
#include "bigmac/Planning/ScheduleBuilder.h"
#include "bigmac/Planning/Split.h"

#include <memory>
#include <optional>
#include <vector>

namespace bigmac::sim {

/// Executions with varied times: how many seeds, and up to which size without being asked.
inline constexpr uint32_t robustnessSeeds = 5;
inline constexpr uint64_t mostRobustnessActions = 1u << 20;

/// What the outputs show.
struct Simulation {
  planning::ScheduleKind kind = planning::ScheduleKind::BigMac;
  /// What the schedule was executed with.
  planning::Costs costs;
  std::unique_ptr<planning::Dependencies> dependencies;
  /// Of separate-stages.
  std::optional<planning::Split> split;
  planning::Schedule schedule;
  planning::Timing timing;
  planning::Figures figures;
  planning::Jitter jitter;
  std::optional<uint64_t> memoryLimit;
  /// The makespan without jitter, for which the schedule was chosen.
  double plannedMakespan = 0;
  /// Makespans when times vary; empty where the schedule is large and none was asked for.
  std::vector<planning::Spread> robustness;
};

/// Builds the schedule, executes it (with jitter, where asked for) and measures it.
planning::Result<Simulation> simulate(planning::ScheduleKind kind, const planning::Problem &problem,
                                      const planning::Jitter &jitter);

} // namespace bigmac::sim

#endif // BIGMAC_TOOLS_BIGMAC_SIM_SIMULATION_H
