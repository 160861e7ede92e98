//===- SplitBuilder.h - The best schedule with a split backward -*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_SPLITBUILDER_H
#define BIGMAC_LIB_PLANNING_SEARCH_SPLITBUILDER_H

#include "bigmac/Planning/ScheduleBuilder.h"

namespace bigmac::planning {

/// Searches from `unsplit`, a schedule of the same problem with whole backwards, and is never
/// slower than it. Within the memory limit, if there is one. Without, no more encoder units are
/// alive than max(3, unsplit's window), at most P weight gradients wait on a rank, and at most
/// `moreHeld` more chunks are held than in `unsplit`: constant in the microbatches. With
/// `encoderFirst` all encoder forwards come first and all backwards last.
///
/// Errors: nothing found keeps the memory limit; names the least that works.
Result<Schedule> buildSplit(const Problem &problem, const Schedule &unsplit, bool encoderFirst,
                            uint32_t moreHeld);

/// A plan that holds up when times vary: `fast`, which buildSplit made of `problem`, or one that is
/// at most 1% slower. `unsplit` is a robust schedule of whole backwards.
Result<Schedule> buildRobustSplit(const Problem &problem, const Schedule &fast,
                                  const Schedule &unsplit, bool encoderFirst, uint32_t moreHeld);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_SPLITBUILDER_H
