//===- Figures.cpp - What is measured on a timed schedule -----------------===//

#include "Figures.h"
#include "LongestPaths.h"

#include <algorithm>
#include <functional>
#include <queue>

namespace bigmac::planning {

namespace {

/// Which of its holders an activation has.
struct Holders {
  std::vector<bool> stageBackward;
  std::vector<bool> stageWeightGradient;
  bool encoderBackward = false;
};

Holders holdersOf(const Schedule &schedule) {
  Holders holders;
  holders.stageBackward.assign(schedule.stages(), false);
  holders.stageWeightGradient = holders.stageBackward;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    for (const Action &action : schedule.orders[rank]) {
      if (action.component == Component::Llm && action.phase == Phase::Backward)
        holders.stageBackward[schedule.stageOf(rank, action.chunk)] = true;
      else if (action.component == Component::Llm && action.phase == Phase::WeightGradient)
        holders.stageWeightGradient[schedule.stageOf(rank, action.chunk)] = true;
      else if (action.component == Component::Encoder && action.phase == Phase::Backward)
        holders.encoderBackward = true;
    }
  }
  return holders;
}

/// What one rank holds, and the most it held.
class RankMeter {
public:
  RankMeter(const Schedule &schedule, const Holders &holders, const ActivationBytes *bytes,
            uint32_t rank)
      : schedule(schedule), holders(holders), bytes(bytes), rank(rank) {}

  void begin(const Action &action) {
    if (action.phase != Phase::Forward && action.phase != Phase::ForwardBackward)
      return;
    switch (action.component) {
    case Component::Llm:
      if (holders.stageBackward[stageOf(action)])
        hold(chunks, bytes ? bytes->llm.at(stageOf(action)) : 0);
      break;
    case Component::Encoder:
      hold(encoderUnits, bytes ? bytes->encoder : 0);
      break;
    case Component::Generator:
      hold(generatorUnits, bytes ? bytes->generator : 0);
      break;
    }
  }

  void end(const Action &action) {
    switch (action.component) {
    case Component::Llm:
      endLlm(action);
      break;
    case Component::Encoder:
      if (action.phase == Phase::Backward)
        releaseEncoderUnit();
      break;
    case Component::Generator:
      if (action.phase != Phase::Forward)
        release(generatorUnits, bytes ? bytes->generator : 0);
      break;
    }
  }

  void releaseEncoderUnit() { release(encoderUnits, bytes ? bytes->encoder : 0); }

  struct Count {
    uint32_t now = 0;
    uint32_t most = 0;
  };
  Count chunks, encoderUnits, generatorUnits, pendingWeightGradients;
  uint64_t mostBytes = 0;

private:
  size_t stageOf(const Action &action) const { return schedule.stageOf(rank, action.chunk); }

  void endLlm(const Action &action) {
    size_t stage = stageOf(action);
    uint64_t activation = bytes ? bytes->llm.at(stage) : 0;
    uint64_t waiting = bytes ? bytes->weightGradient.at(stage) : 0;
    if (action.phase == Phase::WeightGradient) {
      release(pendingWeightGradients, waiting);
      --chunks.now;
    } else if (action.phase == Phase::Backward && holders.stageWeightGradient[stage]) {
      // The weight gradient still counts as a chunk held, with bytes of its own.
      bytesNow -= activation;
      hold(pendingWeightGradients, waiting);
    } else if (action.phase == Phase::Backward) {
      release(chunks, activation);
    }
  }

  void hold(Count &count, uint64_t size) {
    count.most = std::max(count.most, ++count.now);
    bytesNow += size;
    mostBytes = std::max(mostBytes, bytesNow);
  }

  void release(Count &count, uint64_t size) {
    --count.now;
    bytesNow -= size;
  }

  const Schedule &schedule;
  const Holders &holders;
  const ActivationBytes *bytes;
  uint32_t rank;
  uint64_t bytesNow = 0;
};

} // namespace

Status checkCosts(const Schedule &schedule, const Costs &costs) {
  if (Status status = checkPlacement(schedule.placement, schedule.ranks); !status)
    return status;
  return validateCosts(costs, schedule.ranksOf(Component::Llm).count, schedule.chunks,
                       schedule.microbatches);
}

std::vector<double> secondsById(const Schedule &schedule, const Costs &costs,
                                const Jitter &jitter) {
  std::vector<double> seconds;
  seconds.reserve(schedule.actionCount());
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
    for (const Action &action : schedule.orders[rank])
      seconds.push_back(secondsOf(costs, schedule, rank, action, jitter));
  return seconds;
}

std::string describeId(const Schedule &schedule, uint32_t id) {
  uint32_t rank = 0;
  while (id >= schedule.orders[rank].size())
    id -= static_cast<uint32_t>(schedule.orders[rank++].size());
  return describe(rank, schedule.orders[rank][id]);
}

std::vector<double> lastUseOfForwards(const Schedule &schedule, const ActionGraph &graph,
                                      std::span<const double> finish) {
  // An encoder unit lives on all ranks until the last use of any of its microbatches.
  std::vector<double> byUnit;
  std::vector<double> lastUse(graph.size(), 0.0);
  std::vector<uint32_t> unitOf(graph.size(), noAction);
  uint32_t id = 0;
  for (const std::vector<Action> &order : schedule.orders) {
    for (const Action &action : order) {
      if (action.component == Component::Encoder && action.phase == Phase::Forward) {
        unitOf[id] = action.unit;
        byUnit.resize(std::max<size_t>(byUnit.size(), action.unit + size_t(1)), 0.0);
      }
      ++id;
    }
  }
  for (uint32_t consumer = 0; consumer < graph.size(); ++consumer)
    for (Edge edge : graph.producers(consumer))
      if (unitOf[edge.producer] != noAction)
        byUnit[unitOf[edge.producer]] = std::max(byUnit[unitOf[edge.producer]], finish[consumer]);
  for (uint32_t forward = 0; forward < graph.size(); ++forward)
    if (unitOf[forward] != noAction)
      lastUse[forward] = byUnit[unitOf[forward]];
  return lastUse;
}

Figures measureOrders(const Schedule &schedule, const ActionGraph &graph, const IdOrders &orders,
                      std::span<const double> finish, std::span<const double> seconds,
                      const Costs &costs) {
  const ActivationBytes *bytes = costs.activationBytes ? &*costs.activationBytes : nullptr;
  Holders holders = holdersOf(schedule);
  Figures figures;
  figures.actions = graph.size();
  std::vector<double> lastUse;
  bool hasEncoder = costs.encoder.has_value();
  if (hasEncoder && !holders.encoderBackward)
    lastUse = lastUseOfForwards(schedule, graph, finish);
  for (uint32_t id = 0; id < graph.size(); ++id)
    figures.makespan = std::max(figures.makespan, finish[id]);

  double totalWork = 0;
  uint32_t mostChunks = 0;
  // Times that are equal in exact arithmetic may differ by rounding.
  const double tolerance = 1e-9 * figures.makespan;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    RankMeter meter(schedule, holders, bytes, rank);
    std::priority_queue<double, std::vector<double>, std::greater<>> deaths;
    double work = 0;
    for (uint32_t id : orders[rank]) {
      const Action &action = schedule.orders[rank][id - graph.rankBegin[rank]];
      while (!deaths.empty() && deaths.top() <= finish[id] - seconds[id] + tolerance) {
        deaths.pop();
        meter.releaseEncoderUnit();
      }
      meter.begin(action);
      meter.end(action);
      if (!lastUse.empty() && action.component == Component::Encoder)
        deaths.push(lastUse[id]);
      work += seconds[id];
    }
    figures.bound = std::max(figures.bound, work);
    totalWork += work;
    mostChunks = std::max(mostChunks, meter.chunks.most);
    figures.peakEncoderUnits = std::max(figures.peakEncoderUnits, meter.encoderUnits.most);
    figures.peakGeneratorUnits = std::max(figures.peakGeneratorUnits, meter.generatorUnits.most);
    figures.peakPendingWeightGradients =
        std::max(figures.peakPendingWeightGradients, meter.pendingWeightGradients.most);
    if (bytes)
      figures.peakBytes.push_back(meter.mostBytes);
  }
  figures.peakLlmMicrobatches = static_cast<double>(mostChunks) / schedule.chunks;
  if (figures.makespan > 0)
    figures.bubble = std::max(0.0, 1 - totalWork / (schedule.ranks * figures.makespan));
  return figures;
}

Result<Figures> measure(const Schedule &schedule, const Timing &timing,
                        const Dependencies &dependencies, const Costs &costs,
                        const Jitter &jitter) {
  if (Status status = checkCosts(schedule, costs); !status)
    return status.error();
  Result<ActionIndex> index = ActionIndex::build(schedule);
  if (!index)
    return index.error();
  Result<ActionGraph> graph = ActionGraph::build(schedule, *index, dependencies);
  if (!graph)
    return graph.error();
  std::vector<double> finish;
  finish.reserve(graph->size());
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    if (timing.end.size() != schedule.ranks ||
        timing.end[rank].size() != schedule.orders[rank].size())
      return Error{"the timing is not of this schedule: rank " + std::to_string(rank) +
                   " has another number of actions"};
    finish.insert(finish.end(), timing.end[rank].begin(), timing.end[rank].end());
  }
  std::vector<double> seconds = secondsById(schedule, costs, jitter);
  Figures figures = measureOrders(schedule, *graph, identityOrders(*graph), finish, seconds, costs);
  figures.tightBound = boundOf(*graph, seconds, longestPaths(*graph, seconds, costs.transfer));
  return figures;
}

} // namespace bigmac::planning
