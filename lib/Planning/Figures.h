//===- Figures.h - What is measured on a timed schedule ---------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_FIGURES_H
#define BIGMAC_LIB_PLANNING_FIGURES_H

#include "ActionGraph.h"
#include "OrderRunner.h"
#include "bigmac/Planning/Executor.h"

#include <span>
#include <string>
#include <vector>

namespace bigmac::planning {

/// That the placement's ranks exist, and that the costs fit the schedule's counts.
Status checkCosts(const Schedule &schedule, const Costs &costs);

/// Seconds of every action of `schedule`, by id.
std::vector<double> secondsById(const Schedule &schedule, const Costs &costs,
                                const Jitter &jitter = {});

/// The action with this id, for messages.
std::string describeId(const Schedule &schedule, uint32_t id);

/// Every encoder unit's last use by another action, by id of the encoder forward: when a frozen
/// encoder's unit dies. 0 for other ids.
std::vector<double> lastUseOfForwards(const Schedule &schedule, const ActionGraph &graph,
                                      std::span<const double> finish);

/// Figures of `orders` (all of `schedule`'s actions, numbered as in `graph`) as timed by `finish`
/// and `seconds`.
Figures measureOrders(const Schedule &schedule, const ActionGraph &graph, const IdOrders &orders,
                      std::span<const double> finish, std::span<const double> seconds,
                      const Costs &costs);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_FIGURES_H
