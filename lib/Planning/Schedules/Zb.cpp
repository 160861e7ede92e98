//===- Zb.cpp - 1F1B with the backward split ------------------------------===//
//
// ZB-H1 of "Zero Bubble Pipeline Parallelism" (Qi, Wan, Huang, Lin, 2023): the order of 1F1B, with
// weight gradients where a rank would wait, and no more activations held than 1F1B's first rank
// holds. With a memory limit, longer warm-ups too (ZB-H2 has up to P-1 more), as far as it allows.
//
//===----------------------------------------------------------------------===//

#include "../CutSearch.h"
#include "../LlmOrder.h"
#include "../Search/FillSearch.h"
#include "Builders.h"

#include <algorithm>
#include <string>
#include <vector>

namespace bigmac::planning {

namespace {

/// Most chunks held on a rank, with unsplit backwards.
uint32_t mostHeld(const Schedule &schedule, const Workload &workload) {
  uint32_t most = 0;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    uint32_t held = 0;
    for (const Action &action : schedule.orders[rank]) {
      if (action.component != Component::Llm ||
          !workload.stageBackward[workload.stageOf(rank, action.chunk)])
        continue;
      held = action.phase == Phase::Forward ? held + 1 : held - 1;
      most = std::max(most, held);
    }
  }
  return most;
}

/// How many more warm-up forwards a rank may run, least first.
std::vector<uint32_t> longerWarmups(const Problem &problem) {
  if (!problem.memoryLimit || problem.ranks == 1)
    return {0};
  const uint32_t steps = std::min(std::max(1u, problem.effort) * 4, problem.ranks - 1);
  std::vector<uint32_t> longer;
  for (uint32_t i = 0; i <= steps; ++i)
    longer.push_back(static_cast<uint32_t>(uint64_t(problem.ranks - 1) * i / steps));
  return longer;
}

} // namespace

Result<Schedule> buildZb(const Problem &problem) {
  if (Status status = requireOneChunk(ScheduleKind::Zb, problem); !status)
    return status.error();
  Result<SplitProblem> split = SplitProblem::build(problem);
  if (!split)
    return split.error();

  // The memory limit is checked with weight gradients in place.
  Problem unlimited = problem;
  unlimited.memoryLimit.reset();
  FillSearch search(*split);
  for (uint32_t longer : longerWarmups(problem)) {
    CutRecipe recipe;
    recipe.llmOrder = [longer](const Workload &workload, uint32_t rank, uint32_t extra) {
      uint64_t more = std::min<uint64_t>(longer, workload.ranks - rank - 1);
      return interleavedOrder(workload, rank, interleavedWarmup(workload, rank, extra) + more);
    };
    recipe.encoderFirst = true;
    Result<Schedule> main = searchCuts(unlimited, recipe);
    if (!main)
      return main.error();
    uint32_t held = mostHeld(*main, split->workload);
    search.consider(*main, held, held);
  }
  return search.best();
}

} // namespace bigmac::planning
