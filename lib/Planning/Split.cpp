//===- Split.cpp - Ranks of their own for encoder and generator -----------===//

#include "bigmac/Planning/Split.h"
#include "Schedules/SeparateStages.h"
#include "bigmac/Planning/Limits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace bigmac::planning {

namespace {

/// Splits are executed until their schedules have this many actions for each step of effort, and at
/// least `leastSplitsTried` of them until they have `mostOverrun` times as many.
constexpr uint64_t actionsPerEffort = 1u << 20;
constexpr size_t leastSplitsTried = 3;
constexpr uint64_t mostOverrun = 4;
constexpr double equalMakespan = 1e-9;
/// With more ranks, only so many splits are looked at for each number of encoder ranks.
constexpr uint32_t mostRanksWithAllSplits = 256;
constexpr size_t splitsKept = 4;

/// What a stage, or a part of one, costs.
struct Piece {
  double forward = 0, backwardInput = 0, backwardWeight = 0;
  double activation = 0, waiting = 0;
  bool backward = false;

  double total() const { return forward + backwardInput + backwardWeight; }
  void add(const Piece &other, double share) {
    if (share <= 0)
      return;
    forward += share * other.forward;
    backwardInput += share * other.backwardInput;
    backwardWeight += share * other.backwardWeight;
    activation += share * other.activation;
    waiting += share * other.waiting;
    backward |= other.backward;
  }
};

Piece stagePiece(const Costs &costs, uint32_t stage) {
  Piece piece;
  piece.forward = costs.llmForward.at(stage);
  piece.backwardInput = costs.llmBackwardInput.at(stage).value_or(0);
  piece.backwardWeight = costs.llmBackwardWeight.at(stage);
  piece.backward = costs.llmBackwardInput.at(stage).has_value();
  if (costs.activationBytes) {
    piece.activation = static_cast<double>(costs.activationBytes->llm.at(stage));
    piece.waiting = static_cast<double>(costs.activationBytes->weightGradient.at(stage));
  }
  return piece;
}

bool isEven(const Costs &costs) {
  return !costs.llmForward.isList() && !costs.llmBackwardInput.isList() &&
         !costs.llmBackwardWeight.isList() &&
         (!costs.activationBytes || (!costs.activationBytes->llm.isList() &&
                                     !costs.activationBytes->weightGradient.isList()));
}

/// Whether every stage is trained in the same way: all have a backward, and all or none of them
/// weight gradients.
bool isTrainedThroughout(const Costs &costs, uint32_t stages) {
  uint32_t withWeights = 0;
  for (uint32_t stage = 0; stage < stages; ++stage) {
    if (!costs.llmBackwardInput.at(stage))
      return false;
    withWeights += costs.llmBackwardWeight.at(stage) > 0;
  }
  return withWeights == 0 || withWeights == stages;
}

uint64_t wholeBytes(double bytes) {
  return static_cast<uint64_t>(std::min<double>(std::ceil(bytes), maxActivationBytes));
}

/// Spans of the given stages: `share` of each stage's cost lies in the new stage.
std::vector<Piece> cutEvenly(const std::vector<Piece> &given, uint32_t newStages) {
  // Where nothing costs anything, stages are cut by their number.
  double total = 0;
  for (const Piece &piece : given)
    total += piece.total();
  auto lengthOf = [&](const Piece &piece) { return total > 0 ? piece.total() : 1.0; };
  if (total == 0)
    total = static_cast<double>(given.size());

  std::vector<Piece> cut(newStages);
  double position = 0;
  for (const Piece &piece : given) {
    double length = lengthOf(piece);
    double begin = position / total * newStages;
    position += length;
    double end = position / total * newStages;
    size_t first = std::min<size_t>(static_cast<size_t>(begin), newStages - 1);
    if (!(end > begin)) {
      cut[first].add(piece, 1);
      continue;
    }
    for (size_t stage = first; stage < newStages; ++stage) {
      double from = std::max(begin, static_cast<double>(stage));
      double to = stage + 1 == newStages ? end : std::min(end, static_cast<double>(stage + 1));
      // A sliver of rounding is no part of the stage.
      if (to - from > 1e-9)
        cut[stage].add(piece, (to - from) / (end - begin));
      if (end <= static_cast<double>(stage + 1))
        break;
    }
  }
  return cut;
}

RankPlacement placementOf(uint32_t ranks, uint32_t encoder, uint32_t generator) {
  return {{encoder, ranks - encoder - generator}, {0, encoder}, {ranks - generator, generator}};
}

struct Ranked {
  RankPlacement placement;
  double bound = 0;
};

bool hasFewer(const RankPlacement &a, const RankPlacement &b) {
  return std::pair(a.encoder.count, a.generator.count) <
         std::pair(b.encoder.count, b.generator.count);
}

bool before(const Ranked &a, const Ranked &b) {
  return a.bound != b.bound ? a.bound < b.bound : hasFewer(a.placement, b.placement);
}

/// All splits by their bounds, the least first; equal bounds in the order of fewer encoder, then
/// fewer generator ranks.
std::vector<Ranked> splitsOf(const Problem &problem, bool &complete) {
  const uint32_t ranks = problem.ranks;
  const bool hasEncoder = problem.costs.encoder.has_value();
  const bool hasGenerator = problem.costs.generator.has_value();
  if (ranks < 1u + hasEncoder + hasGenerator)
    return {{{{0, ranks}, {0, hasEncoder ? 1u : 0u}, {ranks - 1, hasGenerator ? 1u : 0u}}, 0}};

  const SplitBounds bounds(problem);
  std::vector<Ranked> splits;
  for (uint32_t e = hasEncoder; e + 1 + hasGenerator <= ranks; ++e) {
    const size_t first = splits.size();
    for (uint32_t g = hasGenerator; e + g + 1 <= ranks; ++g) {
      splits.push_back({placementOf(ranks, e, g), bounds.at(e, g)});
      if (!hasGenerator)
        break;
    }
    // Where there are millions, the best few for each number of encoder ranks.
    if (splits.size() - first > splitsKept && ranks > mostRanksWithAllSplits) {
      std::partial_sort(splits.begin() + static_cast<ptrdiff_t>(first),
                        splits.begin() + static_cast<ptrdiff_t>(first + splitsKept), splits.end(),
                        before);
      splits.resize(first + splitsKept);
      complete = false;
    }
    if (!hasEncoder)
      break;
  }
  std::sort(splits.begin(), splits.end(), before);
  return splits;
}

} // namespace

Costs recutLlm(const Costs &costs, uint32_t stages, uint32_t newStages) {
  Costs recut = costs;
  if (isEven(costs)) {
    auto scale = [&](double value) { return value * stages / newStages; };
    recut.llmForward = scale(costs.llmForward.at(0));
    if (costs.llmBackwardInput.at(0))
      recut.llmBackwardInput = std::optional<double>(scale(*costs.llmBackwardInput.at(0)));
    recut.llmBackwardWeight = scale(costs.llmBackwardWeight.at(0));
    if (recut.activationBytes) {
      recut.activationBytes->llm = wholeBytes(scale(recut.activationBytes->llm.at(0)));
      recut.activationBytes->weightGradient =
          wholeBytes(scale(recut.activationBytes->weightGradient.at(0)));
    }
    return recut;
  }

  std::vector<Piece> given;
  for (uint32_t stage = 0; stage < stages; ++stage)
    given.push_back(stagePiece(costs, stage));
  if (isTrainedThroughout(costs, stages)) {
    Piece mean;
    for (const Piece &piece : given) {
      mean.forward += piece.forward / newStages;
      mean.backwardInput += piece.backwardInput / newStages;
      mean.backwardWeight += piece.backwardWeight / newStages;
      mean.activation += piece.activation / newStages;
      mean.waiting += piece.waiting / newStages;
    }
    recut.llmForward = mean.forward;
    recut.llmBackwardInput = std::optional<double>(mean.backwardInput);
    recut.llmBackwardWeight = mean.backwardWeight;
    if (recut.activationBytes) {
      recut.activationBytes->llm = wholeBytes(mean.activation);
      recut.activationBytes->weightGradient = wholeBytes(mean.waiting);
    }
    return recut;
  }
  std::vector<double> forward, backwardWeight;
  std::vector<std::optional<double>> backwardInput;
  std::vector<uint64_t> activation, waiting;
  bool backward = false;
  for (const Piece &piece : cutEvenly(given, newStages)) {
    backward |= piece.backward;
    forward.push_back(piece.forward);
    backwardInput.push_back(backward ? std::optional<double>(piece.backwardInput) : std::nullopt);
    backwardWeight.push_back(piece.backwardWeight);
    activation.push_back(wholeBytes(piece.activation));
    waiting.push_back(wholeBytes(piece.waiting));
  }
  recut.llmForward = std::move(forward);
  recut.llmBackwardInput = std::move(backwardInput);
  recut.llmBackwardWeight = std::move(backwardWeight);
  if (recut.activationBytes) {
    recut.activationBytes->llm = std::move(activation);
    recut.activationBytes->weightGradient = std::move(waiting);
  }
  return recut;
}

Result<Split> searchSplit(const Problem &given) {
  if (Status status = checkSize(given.ranks, given.chunks, given.microbatches, 2); !status)
    return status.error();
  if (Status status = validateCosts(given.costs, given.ranks, given.chunks, given.microbatches);
      !status)
    return status.error();
  if (given.memoryLimit && !given.costs.activationBytes)
    return Error{"a memory limit needs the costs' activation_bytes, to know what actions hold"};
  if (Status status = validateStandardCosts(given.costs, given.ranks, given.chunks); !status)
    return status.error();

  Problem problem = given;
  problem.dependencies = nullptr;
  auto place = [&](const RankPlacement &placement) {
    problem.placement = placement;
    problem.costs =
        recutLlm(given.costs, given.ranks * given.chunks, placement.llm.count * given.chunks);
  };

  Split split;
  split.makespan = std::numeric_limits<double>::infinity();
  std::optional<Error> refused;
  uint64_t leastBytes = std::numeric_limits<uint64_t>::max();
  const uint64_t budget = std::max<uint64_t>(1, given.effort) * actionsPerEffort;
  uint64_t built = 0;
  size_t attempts = 0;
  for (const Ranked &next : splitsOf(given, split.complete)) {
    if (next.bound > split.makespan * (1 + equalMakespan))
      break;
    if (built > budget * mostOverrun || (built > budget && attempts >= leastSplitsTried)) {
      split.complete = false;
      break;
    }
    ++attempts;
    built += 2 * uint64_t(next.placement.llm.count) * given.chunks * given.microbatches;
    place(next.placement);
    CutOutcome outcome;
    Result<Schedule> schedule = buildSeparateStages(problem, &outcome);
    leastBytes = std::min(leastBytes, outcome.leastBytes);
    const double makespan = outcome.makespan;
    if (!schedule) {
      if (!refused)
        refused = schedule.error();
      continue;
    }
    split.tried.push_back({next.placement, makespan});
    bool faster = makespan < split.makespan * (1 - equalMakespan);
    bool equal = !faster && makespan <= split.makespan * (1 + equalMakespan);
    if (faster || (equal && hasFewer(next.placement, split.placement))) {
      split.placement = next.placement;
      split.costs = problem.costs;
      split.makespan = makespan;
    }
  }
  if (!split.tried.empty())
    return split;
  if (leastBytes != std::numeric_limits<uint64_t>::max())
    return overMemoryLimit("window", *given.memoryLimit, leastBytes);
  return *refused;
}

Problem withSplit(Problem problem, const Split &split) {
  problem.placement = split.placement;
  problem.costs = split.costs;
  return problem;
}

} // namespace bigmac::planning
