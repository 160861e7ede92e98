//===- CutSearch.h - Derives window and warm-up by executing ----*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_CUTSEARCH_H
#define BIGMAC_LIB_PLANNING_CUTSEARCH_H

#include "bigmac/Planning/ScheduleBuilder.h"

#include <functional>
#include <limits>
#include <string_view>
#include <vector>

namespace bigmac::planning {

/// The LLM's order and how units go into it.
struct CutRecipe {
  /// The order of the LLM on `rank` with `extra` more warm-up forwards.
  std::function<std::vector<Action>(const Workload &, uint32_t rank, uint32_t extra)> llmOrder;
  /// Whether the LLM's order has a warm-up, which a generator then lengthens by P-1 or P forwards.
  bool hasWarmup = true;
  /// All encoder forwards first and all backwards last, in place of a window.
  bool encoderFirst = false;
  /// Extra warm-ups to try in place of those, ascending; more of them are never slower but for
  /// rounding.
  std::vector<uint32_t> extraWarmups;
  /// Encoder units delay no LLM rank, so a longer window is never slower but for the drain, and a
  /// large problem is searched by halving.
  bool apart = false;
};

/// What else a search finds.
struct CutOutcome {
  /// Of the schedule.
  double makespan = 0;
  /// The least that an executed candidate needs, where a memory limit is given and refuses some.
  uint64_t leastBytes = std::numeric_limits<uint64_t>::max();
};

/// The error for a memory limit that no candidate keeps; `what` the candidates differ in.
Error overMemoryLimit(std::string_view what, uint64_t limit, uint64_t leastBytes);

/// Of all windows and extra warm-ups: the least executed makespan within the memory limit, among
/// equals the least window, then the least warm-up. `problem` is valid.
Result<Schedule> searchCuts(const Problem &problem, const CutRecipe &recipe,
                            CutOutcome *outcome = nullptr);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_CUTSEARCH_H
