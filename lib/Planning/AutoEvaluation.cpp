//===- AutoEvaluation.cpp - Predicts one arrangement ----------------------===//

#include "AutoEvaluation.h"
#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/Partition.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bigmac::planning {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
/// More actions than this are not executed one by one.
constexpr uint64_t mostActions = 1u << 16;
/// Levels of recomputation between nothing and everything that are tried.
constexpr size_t mostLevels = 6;
/// Receive buffers that the memory plan gives a link, with which no send waits (Transfers.h).
constexpr uint64_t buffersOfLink = 3;

/// What it takes to run some pieces, one after the other.
struct Stage {
  double forward = 0, weight = 0;
  std::optional<double> backward;
  uint64_t held = 0, waiting = 0, workspace = 0, parameters = 0, trained = 0, gradients = 0,
           optimizer = 0, output = 0;

  void add(const PieceCosts &piece, double recompute) {
    // The deepest of its points that saves enough for its seconds.
    const HeldPoint *point = &piece.points.front();
    for (const HeldPoint &candidate : piece.points)
      if (candidate.bytesPerSecond >= recompute)
        point = &candidate;
    forward += piece.forward;
    if (piece.backward)
      backward = backward.value_or(0) + *piece.backward + point->seconds;
    weight += piece.backwardWeight;
    held += point->heldBytes;
    waiting += piece.waitingBytes;
    workspace = std::max(workspace, piece.workspaceBytes);
    parameters += piece.parameterBytes;
    trained += piece.trainedBytes;
    gradients += piece.gradientBytes;
    optimizer += piece.optimizerBytes;
    output = piece.outputBytes;
  }
};

/// One candidate at one level of recomputation.
class Arrangement {
public:
  Arrangement(const AutoProblem &problem, const AutoCandidate &candidate, double recompute)
      : problem(problem), candidate(candidate) {
    std::vector<double> forwards;
    for (const PieceCosts &layer : problem.layers)
      forwards.push_back(layer.forward);
    uint32_t count = candidate.ranks * candidate.chunks;
    Result<Partition> partition = partitionBalanced(forwards, {}, count);
    for (uint32_t s = 0; partition && s < count; ++s) {
      Stage &stage = stages.emplace_back();
      for (uint32_t i = partition->boundaries[s]; i < partition->boundaries[s + 1]; ++i)
        stage.add(problem.layers[i], recompute);
    }
    if (problem.encoder)
      encoder.emplace().add(*problem.encoder, recompute);
    if (problem.generator)
      generator.emplace().add(*problem.generator, recompute);
  }

  Costs costs() const;
  /// Bytes of a rank that do not depend on the schedule.
  uint64_t fixedBytes(uint32_t rank) const;
  uint64_t mostFixedBytes() const {
    uint64_t most = 0;
    for (uint32_t rank = 0; rank < candidate.ranks; ++rank)
      most = std::max(most, fixedBytes(rank));
    return most;
  }
  /// Sums of gradients, the optimizer, and parameters sent to all who hold them; on the slowest
  /// rank.
  double reductionSeconds() const;

private:
  template <typename Visit> void forRank(uint32_t rank, Visit visit) const {
    for (uint32_t chunk = 0; chunk < candidate.chunks; ++chunk)
      visit(stages[chunk * candidate.ranks + rank], candidate.replicas);
    uint64_t everywhere = uint64_t(candidate.replicas) * candidate.ranks;
    if (encoder)
      visit(*encoder, everywhere);
    if (generator)
      visit(*generator, everywhere);
  }

  const AutoProblem &problem;
  const AutoCandidate &candidate;
  std::vector<Stage> stages;
  std::optional<Stage> encoder, generator;
};

Costs Arrangement::costs() const {
  Costs costs;
  std::vector<double> forward, weight;
  std::vector<std::optional<double>> backward;
  std::vector<uint64_t> held, waiting;
  const Link &link = problem.device.linkOf(candidate.ranks);
  double transfer = 0;
  uint32_t messages = 0;
  for (const Stage &stage : stages) {
    forward.push_back(stage.forward);
    backward.push_back(stage.backward);
    weight.push_back(stage.weight);
    held.push_back(std::min(stage.held, maxActivationBytes));
    waiting.push_back(std::min(stage.waiting, maxActivationBytes));
    if (&stage != &stages.back()) {
      transfer += link.secondsOf(static_cast<double>(stage.output));
      ++messages;
    }
  }
  costs.llmForward = std::move(forward);
  costs.llmBackwardInput = std::move(backward);
  costs.llmBackwardWeight = std::move(weight);
  ActivationBytes bytes;
  bytes.llm = std::move(held);
  bytes.weightGradient = std::move(waiting);
  auto part = [](const Stage &stage) {
    Costs::Part part;
    part.forward = stage.forward;
    if (stage.backward)
      part.backward = PerIndex<double>(*stage.backward);
    return part;
  };
  if (encoder) {
    costs.encoder = part(*encoder);
    bytes.encoder = std::min(encoder->held, maxActivationBytes);
    transfer += link.secondsOf(static_cast<double>(encoder->output));
    ++messages;
  }
  if (generator) {
    costs.generator = part(*generator);
    bytes.generator = std::min(generator->held, maxActivationBytes);
  }
  costs.transfer = candidate.ranks == 1 || messages == 0 ? 0 : transfer / messages;
  costs.activationBytes = std::move(bytes);
  return costs;
}

uint64_t Arrangement::fixedBytes(uint32_t rank) const {
  uint64_t bytes = 0, workspace = 0, message = 0;
  forRank(rank, [&](const Stage &stage, uint64_t holders) {
    bytes += stage.parameters + stage.gradients + stage.optimizer / holders;
    workspace = std::max(workspace, stage.workspace);
    message = std::max(message, stage.output);
  });
  // Activations and their cotangents.
  if (candidate.ranks > 1)
    bytes += 2 * buffersOfLink * message;
  return bytes + workspace;
}

double Arrangement::reductionSeconds() const {
  const DeviceModel &device = problem.device;
  const Link &link = device.linkOf(uint64_t(candidate.ranks) * candidate.replicas);
  double most = 0;
  for (uint32_t rank = 0; rank < candidate.ranks; ++rank) {
    double seconds = 0;
    forRank(rank, [&](const Stage &stage, uint64_t holders) {
      double trained = static_cast<double>(stage.trained), n = static_cast<double>(holders);
      double gradients = static_cast<double>(stage.gradients);
      // Each holder's shard: all is read, all but the gradients written.
      double moved = gradients + 2 * trained + 2 * static_cast<double>(stage.optimizer);
      seconds += moved / n / (device.memoryBandwidth * device.memoryFraction);
      if (holders > 1 && trained > 0)
        seconds += link.secondsOf(gradients * (n - 1) / n) + link.secondsOf(trained * (n - 1) / n);
    });
    most = std::max(most, seconds);
  }
  return most;
}

struct Outcome {
  double makespan = 0, bubble = 0;
  std::vector<double> bytes;
};

Result<Outcome> run(ScheduleKind kind, const Problem &problem) {
  Result<Schedule> schedule = buildSchedule(kind, problem);
  if (!schedule)
    return schedule.error();
  StandardDependencies dependencies(
      workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches));
  Result<Timing> timing = execute(*schedule, dependencies, problem.costs);
  if (!timing)
    return timing.error();
  Result<Figures> figures = measure(*schedule, *timing, dependencies, problem.costs);
  if (!figures)
    return figures.error();
  return Outcome{figures->makespan, figures->bubble,
                 std::vector<double>(figures->peakBytes.begin(), figures->peakBytes.end())};
}

/// With all microbatches, or extended from 4P and 8P of them.
Result<Outcome> runExtended(ScheduleKind kind, Problem problem, bool &extended) {
  uint64_t perMicrobatch = uint64_t(problem.ranks) * problem.chunks * 3 + 3;
  uint32_t all = problem.microbatches, some = 8 * problem.ranks;
  extended = all > some && perMicrobatch * all > mostActions;
  if (!extended)
    return run(kind, problem);
  problem.microbatches = some;
  Result<Outcome> more = run(kind, problem);
  if (!more)
    return more;
  problem.microbatches = some / 2;
  Result<Outcome> less = run(kind, problem);
  if (!less)
    return less;
  double steps = double(all - some) / (some - some / 2);
  Outcome outcome = *more;
  double busy = (1 - more->bubble) * more->makespan / some * all;
  outcome.makespan += steps * (more->makespan - less->makespan);
  outcome.bubble = std::max(0.0, 1 - busy / outcome.makespan);
  for (size_t rank = 0; rank < outcome.bytes.size(); ++rank)
    outcome.bytes[rank] += std::max(0.0, steps * (more->bytes[rank] - less->bytes[rank]));
  return outcome;
}

/// From nothing recomputed to everything.
std::vector<double> levelsOf(const AutoProblem &problem) {
  std::vector<double> rates;
  auto collect = [&](const PieceCosts &piece) {
    for (const HeldPoint &point : piece.points)
      rates.push_back(point.bytesPerSecond);
  };
  std::ranges::for_each(problem.layers, collect);
  if (problem.encoder)
    collect(*problem.encoder);
  if (problem.generator)
    collect(*problem.generator);
  std::ranges::sort(rates, std::greater<>());
  rates.erase(std::unique(rates.begin(), rates.end()), rates.end());
  std::erase(rates, infinity);
  std::vector<double> levels{infinity};
  size_t n = rates.size();
  for (size_t i = 0; i < std::min(n, mostLevels); ++i)
    levels.push_back(n <= mostLevels ? rates[i] : rates[i * (n - 1) / (mostLevels - 1)]);
  return levels;
}

} // namespace

uint64_t evaluateCandidate(const AutoProblem &problem, AutoCandidate &candidate) {
  uint64_t least = UINT64_MAX;
  std::string why;
  for (double recompute : levelsOf(problem)) {
    Arrangement arrangement(problem, candidate, recompute);
    uint64_t fixed = arrangement.mostFixedBytes();
    Problem schedule;
    schedule.ranks = candidate.ranks;
    schedule.chunks = candidate.chunks;
    schedule.microbatches = candidate.microbatches;
    schedule.costs = arrangement.costs();
    schedule.effort = problem.effort;
    if (fixed < problem.memoryLimit)
      schedule.memoryLimit = problem.memoryLimit - fixed;
    bool extended = false;
    Result<Outcome> outcome = runExtended(candidate.schedule, schedule, extended);
    if (!outcome && schedule.memoryLimit) {
      // What it takes without the limit is what to report.
      schedule.memoryLimit.reset();
      outcome = runExtended(candidate.schedule, schedule, extended);
    }
    if (!outcome) {
      candidate.rejected = outcome.message();
      return UINT64_MAX;
    }
    uint64_t bytes = 0;
    for (uint32_t rank = 0; rank < candidate.ranks; ++rank)
      bytes = std::max(bytes, arrangement.fixedBytes(rank) +
                                  static_cast<uint64_t>(std::ceil(outcome->bytes[rank])));
    if (bytes < least || bytes <= problem.memoryLimit) {
      least = std::min(least, bytes);
      candidate.recompute = recompute;
      candidate.makespan = outcome->makespan;
      candidate.reduction = arrangement.reductionSeconds();
      candidate.step = candidate.makespan + candidate.reduction;
      candidate.bubble = outcome->bubble;
      candidate.peakBytes = bytes;
      candidate.extended = extended;
    }
    if (bytes <= problem.memoryLimit) {
      candidate.rejected.clear();
      return least;
    }
  }
  candidate.rejected =
      "more than the " + std::to_string(problem.memoryLimit) + " bytes of a device";
  return least;
}

} // namespace bigmac::planning
