//===- Schedule.cpp - Names of actions, and which actions exist -----------===//

#include "bigmac/Planning/Schedule.h"
#include "bigmac/Planning/Limits.h"

#include <algorithm>

namespace bigmac::planning {

std::string_view kindName(const Action &action) {
  static constexpr std::string_view names[3][4] = {
      {"F", "B", "W", "?"}, {"EF", "EB", "?", "?"}, {"GF", "GB", "?", "G"}};
  return names[static_cast<unsigned>(action.component)][static_cast<unsigned>(action.phase)];
}

std::string_view componentName(Component component) {
  static constexpr std::string_view names[3] = {"llm", "encoder", "generator"};
  return names[static_cast<unsigned>(component)];
}

std::string describe(uint32_t rank, const Action &action) {
  std::string text(kindName(action));
  if (action.component == Component::Llm)
    text += "(chunk " + std::to_string(action.chunk);
  else
    text += "(unit " + std::to_string(action.unit);
  text += ", microbatch " + std::to_string(action.microbatch) + ") on rank ";
  return text + std::to_string(rank);
}

uint64_t Schedule::actionCount() const {
  uint64_t count = 0;
  for (const std::vector<Action> &order : orders)
    count += order.size();
  return count;
}

namespace {

RankRange resolve(const std::optional<RankPlacement> &placement, uint32_t ranks,
                  Component component) {
  return placement ? placement->of(component) : RankRange{0, ranks};
}

} // namespace

RankRange Schedule::ranksOf(Component component) const {
  return resolve(placement, ranks, component);
}

RankRange Workload::ranksOf(Component component) const {
  return resolve(placement, ranks, component);
}

uint32_t Workload::unitsOf(Component component) const {
  uint32_t count = ranksOf(component).count;
  return count == 0 ? 0 : (microbatches + count - 1) / count;
}

bool Workload::anyBackward() const {
  return std::find(stageBackward.begin(), stageBackward.end(), true) != stageBackward.end();
}

std::vector<Action> actionsOf(const Workload &workload, uint32_t rank, bool splitBackward,
                              bool splitGenerator) {
  std::vector<Action> actions;
  auto addLlm = [&](Phase phase, uint32_t chunk) {
    for (uint32_t m = 0; m < workload.microbatches; ++m)
      actions.push_back(Action::llm(phase, chunk, m));
  };
  auto addUnits = [&](Component component, Phase phase) {
    RankRange range = workload.ranksOf(component);
    if (range.contains(rank))
      for (uint64_t m = rank - range.first; m < workload.microbatches; m += range.count)
        actions.push_back(Action::ofMicrobatch(component, phase, static_cast<uint32_t>(m), range));
  };

  bool hasLlm = workload.ranksOf(Component::Llm).contains(rank);
  for (uint32_t chunk = 0; hasLlm && chunk < workload.chunks; ++chunk) {
    uint32_t stage = workload.stageOf(rank, chunk);
    addLlm(Phase::Forward, chunk);
    if (workload.stageBackward[stage])
      addLlm(Phase::Backward, chunk);
    if (splitBackward && workload.stageWeightGradient[stage])
      addLlm(Phase::WeightGradient, chunk);
  }
  if (workload.hasEncoder) {
    addUnits(Component::Encoder, Phase::Forward);
    if (workload.encoderBackward)
      addUnits(Component::Encoder, Phase::Backward);
  }
  if (workload.hasGenerator && splitGenerator) {
    addUnits(Component::Generator, Phase::Forward);
    addUnits(Component::Generator, Phase::Backward);
  } else if (workload.hasGenerator) {
    addUnits(Component::Generator, Phase::ForwardBackward);
  }
  return actions;
}

Status checkPlacement(const std::optional<RankPlacement> &placement, uint32_t ranks) {
  if (!placement)
    return Status::success();
  for (Component component : {Component::Llm, Component::Encoder, Component::Generator}) {
    RankRange range = placement->of(component);
    if (range.count > ranks || range.first > ranks - range.count)
      return Error{"the placement puts the " + std::string(componentName(component)) + " on " +
                   std::to_string(range.count) + " ranks from rank " + std::to_string(range.first) +
                   "; there are " + std::to_string(ranks)};
  }
  if (placement->llm.count == 0)
    return Error{"the placement gives the llm no rank"};
  return Status::success();
}

Status checkSize(uint64_t ranks, uint64_t chunks, uint64_t microbatches, uint32_t phases) {
  struct Count {
    const char *name;
    uint64_t value;
    uint64_t most;
  };
  for (const Count &count : {Count{"ranks", ranks, maxRanks}, Count{"chunks", chunks, maxChunks},
                             Count{"microbatches", microbatches, maxMicrobatches}})
    if (count.value < 1 || count.value > count.most)
      return Error{std::string(count.name) + " must be from 1 to " + std::to_string(count.most) +
                   ", found " + std::to_string(count.value)};
  // Within the limits above the product fits in 64 bits. Encoder and generator add at most four
  // actions a microbatch.
  uint64_t actions = ranks * chunks * microbatches * phases + 4 * microbatches;
  if (actions > maxActions)
    return Error{"a schedule of " + std::to_string(ranks) + " ranks x " + std::to_string(chunks) +
                 " chunks x " + std::to_string(microbatches) + " microbatches has up to " +
                 std::to_string(actions) + " actions; at most " + std::to_string(maxActions) +
                 " are supported: use fewer microbatches"};
  return Status::success();
}

} // namespace bigmac::planning
