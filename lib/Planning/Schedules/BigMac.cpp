//===- BigMac.cpp - The nested pipeline -----------------------------------===//

#include "../CutSearch.h"
#include "../LlmOrder.h"
#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildBigMac(const Problem &problem, uint64_t &leastLimit) {
  CutRecipe recipe;
  recipe.llmOrder = [](const Workload &workload, uint32_t rank, uint32_t extra) {
    return interleavedOrder(workload, rank, interleavedWarmup(workload, rank, extra));
  };
  CutOutcome outcome;
  Result<Schedule> built = searchCuts(problem, recipe, &outcome);
  if (!built)
    leastLimit = outcome.leastBytes;
  return built;
}

Result<Schedule> buildBigMac(const Problem &problem) {
  uint64_t unused = 0;
  return buildBigMac(problem, unused);
}

} // namespace bigmac::planning
