//===- Simulation.h - A schedule with its times and figures -----*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_SIM_SIMULATION_H
#define BIGMAC_TOOLS_BIGMAC_SIM_SIMULATION_H

#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/ScheduleBuilder.h"

namespace bigmac::sim {

/// What the outputs show.
struct Simulation {
  planning::ScheduleKind kind = planning::ScheduleKind::BigMac;
  planning::Schedule schedule;
  planning::Timing timing;
  planning::Figures figures;
  planning::Jitter jitter;
  /// The makespan without jitter, for which the schedule was chosen.
  double plannedMakespan = 0;
};

} // namespace bigmac::sim

#endif // BIGMAC_TOOLS_BIGMAC_SIM_SIMULATION_H
