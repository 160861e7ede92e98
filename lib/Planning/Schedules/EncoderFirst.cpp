//===- EncoderFirst.cpp - All encoder work around the LLM -----------------===//

#include "../CutSearch.h"
#include "../LlmOrder.h"
#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildEncoderFirst(const Problem &problem) {
  CutRecipe recipe;
  recipe.llmOrder = [](const Workload &workload, uint32_t rank, uint32_t extra) {
    return interleavedOrder(workload, rank, interleavedWarmup(workload, rank, extra));
  };
  recipe.encoderFirst = true;
  return searchCuts(problem, recipe);
}

} // namespace bigmac::planning
