//===- ActivationMemory.cpp - Bytes over time from costs ------------------===//

#include "bigmac/Report/Content.h"
#include "lib/Planning/ActionGraph.h"

#include <algorithm>
#include <functional>
#include <queue>

namespace bigmac::report {

using namespace planning;

namespace {

enum Class : uint32_t { Llm, WeightGradient, Encoder, Generator };

/// Which stages' and components' forwards have something that releases them.
struct Releases {
  std::vector<bool> stageBackward, stageWeightGradient;
  bool encoderBackward = false;

  explicit Releases(const Schedule &schedule)
      : stageBackward(schedule.stages()), stageWeightGradient(stageBackward) {
    for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
      for (const Action &action : schedule.orders[rank]) {
        if (action.component == Component::Llm && action.phase == Phase::Backward)
          stageBackward[schedule.stageOf(rank, action.chunk)] = true;
        else if (action.component == Component::Llm && action.phase == Phase::WeightGradient)
          stageWeightGradient[schedule.stageOf(rank, action.chunk)] = true;
        else if (action.component == Component::Encoder && action.phase == Phase::Backward)
          encoderBackward = true;
      }
  }
};

/// By unit, when its last consumer ends: a frozen encoder's features are needed no longer.
std::vector<double> lastUses(const Schedule &schedule, const Timing &timing,
                             const ActionGraph &graph) {
  std::vector<const Action *> actions;
  std::vector<double> ends;
  actions.reserve(graph.size());
  ends.reserve(graph.size());
  uint32_t units = 0;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
    for (size_t i = 0; i < schedule.orders[rank].size(); ++i) {
      actions.push_back(&schedule.orders[rank][i]);
      ends.push_back(timing.end[rank][i]);
      if (actions.back()->component == Component::Encoder)
        units = std::max(units, actions.back()->unit + 1);
    }
  std::vector<double> last(units, 0.0);
  for (uint32_t consumer = 0; consumer < graph.size(); ++consumer)
    for (Edge edge : graph.producers(consumer))
      if (const Action &producer = *actions[edge.producer];
          producer.component == Component::Encoder && producer.phase == Phase::Forward)
        last[producer.unit] = std::max(last[producer.unit], ends[consumer]);
  return last;
}

class RankSteps {
public:
  RankSteps(const Schedule &schedule, const Releases &releases, const ActivationBytes &bytes,
            uint32_t rank)
      : schedule(schedule), releases(releases), bytes(bytes), rank(rank) {}

  void begin(uint32_t i, const Action &action) {
    if (action.phase != Phase::Forward && action.phase != Phase::ForwardBackward)
      return;
    if (action.component == Component::Encoder)
      step(i, false, Encoder, static_cast<int64_t>(bytes.encoder));
    else if (action.component == Component::Generator)
      step(i, false, Generator, static_cast<int64_t>(bytes.generator));
    else if (releases.stageBackward[stageOf(action)])
      step(i, false, Llm, static_cast<int64_t>(bytes.llm.at(stageOf(action))));
  }

  void end(uint32_t i, const Action &action) {
    if (action.component == Component::Encoder && action.phase == Phase::Backward) {
      releaseEncoder(i, true);
    } else if (action.component == Component::Generator && action.phase != Phase::Forward) {
      step(i, true, Generator, -static_cast<int64_t>(bytes.generator));
    } else if (action.component == Component::Llm) {
      size_t stage = stageOf(action);
      int64_t waiting = static_cast<int64_t>(bytes.weightGradient.at(stage));
      if (action.phase == Phase::WeightGradient)
        step(i, true, WeightGradient, -waiting);
      if (action.phase == Phase::Backward)
        step(i, true, Llm, -static_cast<int64_t>(bytes.llm.at(stage)));
      if (action.phase == Phase::Backward && releases.stageWeightGradient[stage])
        step(i, true, WeightGradient, waiting);
    }
  }

  void releaseEncoder(uint32_t i, bool atEnd) {
    step(i, atEnd, Encoder, -static_cast<int64_t>(bytes.encoder));
  }

  std::vector<MemoryStep> steps;

private:
  size_t stageOf(const Action &action) const { return schedule.stageOf(rank, action.chunk); }
  void step(uint32_t i, bool atEnd, Class memoryClass, int64_t change) {
    if (change != 0)
      steps.push_back({i, atEnd, memoryClass, change});
  }

  const Schedule &schedule;
  const Releases &releases;
  const ActivationBytes &bytes;
  uint32_t rank;
};

} // namespace

Result<std::optional<Memory>> activationMemory(const Schedule &schedule, const Timing &timing,
                                               const Dependencies &dependencies,
                                               const Costs &costs) {
  if (!costs.activationBytes)
    return std::optional<Memory>();
  Result<ActionIndex> index = ActionIndex::build(schedule);
  if (!index)
    return index.error();
  Result<ActionGraph> graph = ActionGraph::build(schedule, *index, dependencies);
  if (!graph)
    return graph.error();
  Releases releases(schedule);
  std::vector<double> lastUse;
  if (!releases.encoderBackward)
    lastUse = lastUses(schedule, timing, *graph);

  Memory memory;
  memory.classes = {"LLM activations", "waiting weight gradients", "encoder activations",
                    "generator activations"};
  // As in planning::measure: times that are equal in exact arithmetic may differ by rounding.
  const double tolerance = 1e-9 * timing.makespan;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    RankSteps steps(schedule, releases, *costs.activationBytes, rank);
    std::priority_queue<double, std::vector<double>, std::greater<>> deaths;
    for (uint32_t i = 0; i < schedule.orders[rank].size(); ++i) {
      const Action &action = schedule.orders[rank][i];
      while (!deaths.empty() && deaths.top() <= timing.start[rank][i] + tolerance) {
        deaths.pop();
        steps.releaseEncoder(i, false);
      }
      steps.begin(i, action);
      steps.end(i, action);
      if (!lastUse.empty() && action.component == Component::Encoder)
        deaths.push(lastUse[action.unit]);
    }
    memory.base.emplace_back(memory.classes.size(), 0);
    memory.steps.push_back(std::move(steps.steps));
  }
  return std::optional<Memory>(std::move(memory));
}

} // namespace bigmac::report
