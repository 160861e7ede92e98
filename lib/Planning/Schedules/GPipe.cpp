//===- GPipe.cpp - All forwards, then all backwards -----------------------===//

#include "../CutSearch.h"
#include "../LlmOrder.h"
#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildGPipe(const Problem &problem) {
  if (Status status = requireOneChunk(ScheduleKind::GPipe, problem); !status)
    return status.error();
  CutRecipe recipe;
  recipe.llmOrder = [](const Workload &workload, uint32_t rank, uint32_t) {
    return gpipeOrder(workload, rank);
  };
  recipe.hasWarmup = false;
  recipe.encoderFirst = true;
  return searchCuts(problem, recipe);
}

} // namespace bigmac::planning
