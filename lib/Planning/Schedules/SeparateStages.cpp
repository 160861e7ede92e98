//===- SeparateStages.cpp - Encoder and generator on ranks of their own ---===//

#include "SeparateStages.h"
#include "../CutSearch.h"
#include "../LlmOrder.h"
#include "Builders.h"

#include <algorithm>
#include <cmath>

namespace bigmac::planning {

namespace {

/// Of one rank in a step.
double llmWork(const Problem &problem, const Workload &workload, uint32_t rank) {
  double work = 0;
  for (uint32_t chunk = 0; chunk < problem.chunks; ++chunk) {
    uint32_t stage = workload.stageOf(rank, chunk);
    work += problem.costs.llmForward.at(stage) + problem.costs.llmBackwardWeight.at(stage) +
            problem.costs.llmBackwardInput.at(stage).value_or(0);
  }
  return work * problem.microbatches;
}

double partSeconds(const std::optional<Costs::Part> &part, uint32_t microbatch) {
  double seconds = part ? part->forward.at(microbatch) : 0;
  return part && part->backward ? seconds + part->backward->at(microbatch) : seconds;
}

double meanSeconds(const std::optional<Costs::Part> &part, uint32_t microbatches) {
  double sum = 0;
  for (uint32_t m = 0; m < microbatches; ++m)
    sum += partSeconds(part, m);
  return sum / microbatches;
}

double busiestReplica(const std::optional<Costs::Part> &part, RankRange range,
                      uint32_t microbatches) {
  if (!part || range.count == 0)
    return 0;
  std::vector<double> work(range.count, 0.0);
  for (uint32_t m = 0; m < microbatches; ++m)
    work[m % range.count] += partSeconds(part, m);
  return *std::max_element(work.begin(), work.end());
}

/// Microbatches that the slowest component lets through a step, one by one.
double pace(const Problem &problem, const Workload &workload) {
  double slowest = 0;
  RankRange llm = workload.ranksOf(Component::Llm);
  for (uint32_t rank = llm.first; rank < llm.end(); ++rank)
    slowest = std::max(slowest, llmWork(problem, workload, rank));
  slowest =
      std::max(slowest, busiestReplica(problem.costs.encoder, workload.ranksOf(Component::Encoder),
                                       problem.microbatches));
  slowest = std::max(slowest,
                     busiestReplica(problem.costs.generator, workload.ranksOf(Component::Generator),
                                    problem.microbatches));
  return slowest / problem.microbatches;
}

/// How many microbatches pass at `pace` in `seconds`.
uint32_t microbatchesIn(double seconds, double pace, uint32_t most) {
  if (!(seconds < pace * most))
    return most;
  return static_cast<uint32_t>(std::ceil(seconds / pace));
}

/// Forwards beyond the LLM's own warm-up with which the last rank has forwarded `ahead`
/// microbatches more before its first backward: with several chunks, a group of as many
/// microbatches as ranks goes through all chunks before the next group comes.
uint64_t forwardsFor(uint64_t ahead, uint64_t llmRanks, uint64_t chunks) {
  return ahead / llmRanks * llmRanks * chunks + ahead % llmRanks;
}

/// Extra warm-ups to try. The last LLM rank idles while the generator works, unless it has
/// forwarded as many microbatches ahead as pass meanwhile.
std::vector<uint32_t> extraWarmups(const Problem &problem, const Workload &workload) {
  if (!workload.hasGenerator || !workload.anyBackward())
    return {0};
  const RankRange llm = workload.ranksOf(Component::Llm);
  const RankRange generator = workload.ranksOf(Component::Generator);
  double roundTrip =
      meanSeconds(problem.costs.generator, problem.microbatches) + 2 * problem.costs.transfer;
  uint64_t meanwhile = microbatchesIn(roundTrip, pace(problem, workload), problem.microbatches - 1);
  std::vector<uint64_t> ahead = {
      0, meanwhile, meanwhile + 1, llm.count, llm.count - 1, generator.count, generator.count - 1};
  if (meanwhile > 0)
    ahead.push_back(meanwhile - 1);
  for (uint64_t some = 1; some < meanwhile; some *= 2)
    ahead.push_back(some);
  std::vector<uint32_t> extras;
  for (uint64_t microbatches : ahead)
    if (microbatches < problem.microbatches)
      extras.push_back(static_cast<uint32_t>(forwardsFor(microbatches, llm.count, problem.chunks)));
  std::sort(extras.begin(), extras.end());
  extras.erase(std::unique(extras.begin(), extras.end()), extras.end());
  return extras;
}

} // namespace

double leastMakespan(const Problem &problem) {
  const Costs &costs = problem.costs;
  Workload workload =
      workloadOf(costs, problem.ranks, problem.chunks, problem.microbatches, problem.placement);
  double encoderForward = 0, encoderBackward = 0;
  auto least = [](const PerIndex<double> &figures) {
    return *std::min_element(figures.stored().begin(), figures.stored().end());
  };
  if (costs.encoder)
    encoderForward = least(costs.encoder->forward);
  if (costs.encoder && costs.encoder->backward)
    encoderBackward = least(*costs.encoder->backward);
  // The first LLM rank works between the encoder's first forward and its last backward. Where the
  // encoder shares that rank its work is the bound of that rank instead.
  RankRange llm = workload.ranksOf(Component::Llm), encoder = workload.ranksOf(Component::Encoder);
  bool joined = encoder.contains(llm.first);
  double bound =
      llmWork(problem, workload, llm.first) + (joined ? 0 : encoderForward + encoderBackward);
  double through = encoderForward, back = encoderBackward;
  for (uint32_t stage = 0; stage < workload.stages(); ++stage) {
    through += costs.llmForward.at(stage);
    if (workload.stageBackward[stage])
      back += *costs.llmBackwardInput.at(stage) + costs.llmBackwardWeight.at(stage);
  }
  bound = std::max(bound, busiestReplica(costs.encoder, encoder, problem.microbatches));
  double generator =
      busiestReplica(costs.generator, workload.ranksOf(Component::Generator), problem.microbatches);
  if (costs.generator)
    bound = std::max(bound, through + generator + back);
  return bound;
}

Result<Schedule> buildSeparateStages(const Problem &problem, CutOutcome *outcome) {
  CutRecipe recipe;
  recipe.llmOrder = [](const Workload &workload, uint32_t rank, uint32_t extra) {
    return interleavedOrder(workload, rank, interleavedWarmup(workload, rank, extra));
  };
  Workload workload = workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches,
                                 problem.placement);
  recipe.extraWarmups = extraWarmups(problem, workload);
  recipe.apart = true;
  return searchCuts(problem, recipe, outcome);
}

Result<Schedule> buildSeparateStages(const Problem &problem) {
  if (!problem.placement)
    return Error{"schedule 'separate-stages' needs encoder and generator on ranks of their own; "
                 "this program has every component on every rank"};
  return buildSeparateStages(problem, nullptr);
}

} // namespace bigmac::planning
