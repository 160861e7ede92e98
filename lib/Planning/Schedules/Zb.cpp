//===- Zb.cpp - 1F1B with the backward split ------------------------------===//
//
// ZB-H1 of "Zero Bubble Pipeline Parallelism" (Qi, Wan, Huang, Lin, 2023): the order of 1F1B, with
// weight gradients where a rank would wait, and no more activations held than 1F1B's first rank
// holds. With a memory limit, longer warm-ups too (ZB-H2 has up to P-1 more), as far as it allows.
//
//===----------------------------------------------------------------------===//

#include "../Search/SplitBuilder.h"
#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildZb(const Problem &problem) {
  if (Status status = requireOneChunk(ScheduleKind::Zb, problem); !status)
    return status.error();
  // The memory limit is checked with weight gradients in place.
  Problem unlimited = problem;
  unlimited.memoryLimit.reset();
  unlimited.robust = false;
  Result<Schedule> unsplit = buildOneForwardOneBackward(unlimited);
  if (!unsplit)
    return unsplit.error();
  SplitStart start{*unsplit, true};
  Result<Schedule> free = buildSplit(unlimited, start);
  if (!free)
    return free;
  start.unlimited = &*free;
  Problem fast = problem;
  fast.robust = false;
  Result<Schedule> split = problem.memoryLimit ? buildSplit(fast, start) : free;
  if (!split || !problem.robust)
    return split;
  return buildRobustSplit(problem, start, *split);
}

} // namespace bigmac::planning
