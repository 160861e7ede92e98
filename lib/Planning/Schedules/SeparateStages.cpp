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

SplitBounds::SplitBounds(const Problem &problem) : ranks(problem.ranks) {
  const Costs &costs = problem.costs;
  const uint32_t stages = problem.ranks * problem.chunks;
  double work = 0, through = 0, back = 0;
  for (uint32_t stage = 0; stage < stages; ++stage) {
    const double backward =
        costs.llmBackwardInput.at(stage).value_or(0) + costs.llmBackwardWeight.at(stage);
    work += costs.llmForward.at(stage) + backward;
    through += costs.llmForward.at(stage);
    back += backward;
  }
  auto least = [](const PerIndex<double> &figures) {
    return *std::min_element(figures.stored().begin(), figures.stored().end());
  };
  double before = costs.encoder ? least(costs.encoder->forward) : 0;
  double after = costs.encoder && costs.encoder->backward ? least(*costs.encoder->backward) : 0;
  llmWork = work * problem.microbatches;
  llmEnds = before + after;
  generatorEnds = before + through + back + after;
  for (uint32_t count = 0; count <= ranks; ++count) {
    encoder.push_back(busiestReplica(costs.encoder, {0, count}, problem.microbatches));
    generator.push_back(busiestReplica(costs.generator, {0, count}, problem.microbatches));
  }
}

double SplitBounds::at(uint32_t encoderRanks, uint32_t generatorRanks) const {
  double bound = encoder[encoderRanks];
  bound = std::max(bound, llmWork / (ranks - encoderRanks - generatorRanks) + llmEnds);
  if (generatorRanks > 0)
    bound = std::max(bound, generator[generatorRanks] + generatorEnds);
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
