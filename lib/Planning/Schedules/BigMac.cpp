//===- BigMac.cpp - The nested pipeline -----------------------------------===//

#include "../CutSearch.h"
#include "../LlmOrder.h"
#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildBigMac(const Problem &problem) {
  CutRecipe recipe;
  recipe.llmOrder = [](const Workload &workload, uint32_t rank, uint32_t extra) {
    return interleavedOrder(workload, rank, interleavedWarmup(workload, rank, extra));
  };
  return searchCuts(problem, recipe);
}

} // namespace bigmac::planning
