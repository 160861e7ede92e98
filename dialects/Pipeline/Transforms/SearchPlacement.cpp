//===- SearchPlacement.cpp - Ranks of their own for components -------------===//

#include "SearchPlacement.h"

#include "bigmac/Planning/Split.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

FailureOr<planning::RankPlacement> pipeline::searchPlacement(func::FuncOp model,
                                                             const ComponentWork &work,
                                                             int64_t ranks, int64_t chunks,
                                                             int64_t microbatches, int64_t effort) {
  if (ranks > UINT32_MAX || chunks > UINT32_MAX || microbatches < 1 || microbatches > UINT32_MAX ||
      effort < 0 || effort > UINT32_MAX)
    return model.emitError("expected counts of ranks, chunks and microbatches from 1 to 2^32 and "
                           "an effort of 0 or more, found ")
           << ranks << ", " << chunks << ", " << microbatches << " and " << effort;
  planning::Problem problem;
  problem.ranks = ranks;
  problem.chunks = chunks;
  problem.microbatches = microbatches;
  problem.effort = effort;

  // A number stands for each of ranks x chunks stages.
  double stage = work.llm.seconds / (static_cast<double>(ranks) * static_cast<double>(chunks));
  bool encoderTrained = work.encoder && work.encoder->trained;
  planning::Costs &costs = problem.costs;
  costs.llmForward = stage;
  // Gradients flow through the LLM to what is trained in it or before it.
  costs.llmBackwardInput =
      work.llm.trained || encoderTrained ? std::optional<double>(stage) : std::optional<double>();
  costs.llmBackwardWeight = work.llm.trained ? stage : 0.0;
  auto part = [](const ComponentWork::Part &given, bool backward) {
    planning::Costs::Part result;
    result.forward = given.seconds;
    if (backward)
      result.backward = planning::PerIndex<double>(given.seconds * (given.trained ? 2 : 1));
    return result;
  };
  if (work.encoder)
    costs.encoder = part(*work.encoder, encoderTrained);
  if (work.generator)
    costs.generator =
        part(*work.generator, work.generator->trained || work.llm.trained || encoderTrained);

  planning::Result<planning::Split> split = planning::searchSplit(problem);
  if (!split)
    return model.emitError("cannot give the components ranks of their own: ") << split.message();
  return split->placement;
}
