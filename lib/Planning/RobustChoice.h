//===- RobustChoice.h - Which of equal plans holds up -----------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_ROBUSTCHOICE_H
#define BIGMAC_LIB_PLANNING_ROBUSTCHOICE_H

#include "ActionGraph.h"
#include "OrderRunner.h"
#include "bigmac/Planning/Costs.h"

#include <cstddef>
#include <functional>

namespace bigmac::planning {

/// A robust plan may take this much longer than the fastest, as planned.
inline constexpr double robustTolerance = 0.01;

/// How many plans of so many actions are compared.
size_t comparedPlans(uint32_t effort, uint32_t actions);

/// The plan to take of `count`, none of which deadlocks, in the order of what they hold: the first
/// one that is hardly slower than the one whose mean makespan under the standard variations is
/// least, where each draw counts in proportion to the least makespan among the plans. The seeds are
/// not those that measureRobustness is given by the tools: a plan is not chosen for the draws it is
/// judged by.
///
/// `ordersOf` is asked for a plan's orders several times.
size_t mostRobust(const Schedule &reference, const ActionGraph &graph, const Costs &costs,
                  size_t count, const std::function<IdOrders(size_t)> &ordersOf);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_ROBUSTCHOICE_H
