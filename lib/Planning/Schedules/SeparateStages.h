//===- SeparateStages.h - What the search for a split needs -----*- C++ -*-===//
//
// Private to the library. Problems are valid and have a placement.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SCHEDULES_SEPARATESTAGES_H
#define BIGMAC_LIB_PLANNING_SCHEDULES_SEPARATESTAGES_H

#include "../CutSearch.h"

namespace bigmac::planning {

/// The schedule, and (unless null) what its search found.
Result<Schedule> buildSeparateStages(const Problem &problem, CutOutcome *outcome);

/// A bound that no schedule with this placement can beat, found without building one.
double leastMakespan(const Problem &problem);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SCHEDULES_SEPARATESTAGES_H
