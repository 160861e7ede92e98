//===- SplitBuilder.h - The best schedule with a split backward -*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_SPLITBUILDER_H
#define BIGMAC_LIB_PLANNING_SEARCH_SPLITBUILDER_H

#include "bigmac/Planning/ScheduleBuilder.h"

namespace bigmac::planning {

/// What a search starts from.
struct SplitStart {
  /// A schedule of the same problem with whole backwards. It need not keep the memory limit.
  const Schedule &unsplit;
  /// All encoder forwards come first and all backwards last.
  bool encoderFirst = false;
  /// Without a memory limit, so many more chunks may be held than in `unsplit`.
  uint32_t moreHeld = 0;
  /// With a memory limit: what buildSplit finds without one, which may keep it.
  const Schedule *unlimited = nullptr;
};

/// Never slower than `unsplit`. Within the memory limit, if there is one, and then never slower
/// than `unlimited` where that keeps it. Without, no more encoder units are alive than max(3,
/// unsplit's window), at most P weight gradients wait on a rank, and the chunks held are constant
/// in the microbatches.
///
/// Errors: nothing found keeps the memory limit; names the least found that works, which
/// `leastLimit` takes, too.
Result<Schedule> buildSplit(const Problem &problem, const SplitStart &start,
                            uint64_t *leastLimit = nullptr);

/// A plan that holds up when times vary: `fast`, which buildSplit made of `problem`, or one that is
/// at most 1% slower. The start's `unsplit` is a robust schedule.
Result<Schedule> buildRobustSplit(const Problem &problem, const SplitStart &start,
                                  const Schedule &fast);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_SPLITBUILDER_H
