//===- CutSearch.h - Derives window and warm-up by executing ----*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_CUTSEARCH_H
#define BIGMAC_LIB_PLANNING_CUTSEARCH_H

#include "bigmac/Planning/ScheduleBuilder.h"

#include <functional>
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
};

/// Of all windows and extra warm-ups: the least executed makespan within the memory limit, among
/// equals the least window, then the least warm-up. `problem` is valid.
Result<Schedule> searchCuts(const Problem &problem, const CutRecipe &recipe);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_CUTSEARCH_H
