//===- RobustChoice.h - Which of equal plans holds up -----------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_ROBUSTCHOICE_H
#define BIGMAC_LIB_PLANNING_ROBUSTCHOICE_H

#include "CutConstruction.h"

#include <functional>
#include <vector>

namespace bigmac::planning {

/// Mean makespan of each of `count` plans under the standard variations, each draw counted in
/// proportion to the least makespan among them. The seeds are not those that measureRobustness is
/// given by the tools: a plan is not chosen for the draws it is judged by.
std::vector<double> slowdowns(const CutProblem &cuts, const Costs &costs, size_t count,
                              const std::function<IdOrders(size_t)> &ordersOf);

/// How many executions `slowdowns` takes for each plan.
inline constexpr uint32_t slowdownExecutions = 9;

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_ROBUSTCHOICE_H
