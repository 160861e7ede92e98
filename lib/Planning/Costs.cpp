//===- Costs.cpp - Seconds of actions -------------------------------------===//

#include "bigmac/Planning/Costs.h"
#include "Numbers.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace bigmac::planning {

namespace {

constexpr double maxSeconds = 1e15;

Status checkNumber(const std::string &name, double value) {
  if (std::isfinite(value) && value >= 0 && value <= maxSeconds)
    return Status::success();
  return Error{"costs: " + name + " must be a number of seconds from 0 to 1e15, found " +
               numberText(value)};
}

template <typename T>
Status checkLength(const std::string &name, const PerIndex<T> &figures, size_t expected,
                   const std::string &why) {
  if (!figures.isList() || figures.size() == expected)
    return Status::success();
  return Error{"costs: " + name + " has " + std::to_string(figures.size()) + " values, expected " +
               std::to_string(expected) + " (" + why + ") or a single number"};
}

Status checkFigures(const std::string &name, const PerIndex<double> &figures, size_t expected,
                    const std::string &why) {
  if (Status status = checkLength(name, figures, expected, why); !status)
    return status;
  for (size_t i = 0; i < figures.size(); ++i) {
    std::string where = figures.isList() ? name + "[" + std::to_string(i) + "]" : name;
    if (Status status = checkNumber(where, figures.at(i)); !status)
      return status;
  }
  return Status::success();
}

Status checkBytes(const std::string &name, const PerIndex<uint64_t> &figures, size_t expected,
                  const std::string &why) {
  if (Status status = checkLength(name, figures, expected, why); !status)
    return status;
  for (uint64_t bytes : figures.stored())
    if (bytes > maxActivationBytes)
      return Error{"costs: " + name + " must be at most " + std::to_string(maxActivationBytes) +
                   " bytes, found " + std::to_string(bytes)};
  return Status::success();
}

Status checkPart(const std::string &name, const std::optional<Costs::Part> &part,
                 uint32_t microbatches) {
  if (!part)
    return Status::success();
  std::string why = std::to_string(microbatches) + " microbatches";
  if (Status status = checkFigures(name + ".forward", part->forward, microbatches, why); !status)
    return status;
  if (part->backward)
    return checkFigures(name + ".backward", *part->backward, microbatches, why);
  return Status::success();
}

Status checkFrozenStages(const Costs &costs, uint32_t stages) {
  bool backwardSeen = false;
  for (uint32_t s = 0; s < stages; ++s) {
    std::string stage = "stage " + std::to_string(s);
    const std::optional<double> &backward = costs.llmBackwardInput.at(s);
    if (backward) {
      backwardSeen = true;
      if (Status status = checkNumber("llm.backward_input of " + stage, *backward); !status)
        return status;
      continue;
    }
    if (backwardSeen)
      return Error{"costs: llm.backward_input of " + stage +
                   " is null, but an earlier stage has a backward, which needs this one's"};
    if (costs.llmBackwardWeight.at(s) != 0)
      return Error{"costs: llm.backward_input of " + stage +
                   " is null (nothing is trained at or before it), so its llm.backward_weight "
                   "must be 0"};
  }
  return Status::success();
}

uint64_t mix(uint64_t value) {
  // SplitMix64: a full-period mixer, so neighbouring actions get unrelated draws.
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

double jitterFactor(const Jitter &jitter, uint32_t rank, const Action &action) {
  uint64_t what = (static_cast<uint64_t>(action.component) << 2) |
                  static_cast<uint64_t>(action.phase) | (static_cast<uint64_t>(action.chunk) << 8) |
                  (static_cast<uint64_t>(rank) << 32);
  uint64_t draw = mix(mix(mix(jitter.seed) ^ what) ^ action.microbatch);
  double unit = static_cast<double>(draw >> 11) * 0x1.0p-53;
  double factor = 1 + jitter.amount * (2 * unit - 1);
  if (jitter.images && action.component != Component::Llm)
    factor *= imagesIn(jitter, action.component, action.microbatch) / meanImages();
  return factor;
}

} // namespace

uint32_t imagesIn(const Jitter &jitter, Component component, uint32_t microbatch) {
  uint64_t what = 0x1000000 + static_cast<uint64_t>(component);
  uint64_t draw = mix(mix(mix(jitter.seed) ^ what) ^ microbatch);
  // In (0, 1]: the probability of at least as many images.
  double atLeast = static_cast<double>((draw >> 11) + 1) * 0x1.0p-53;
  return static_cast<uint32_t>(std::min<double>(4 / std::sqrt(atLeast) - 3, mostImages));
}

double meanImages() {
  static const double mean = [] {
    double sum = 0;
    for (uint32_t n = 1; n <= mostImages; ++n)
      sum += 16.0 / ((n + 3.0) * (n + 3.0));
    return sum;
  }();
  return mean;
}

Status validateCosts(const Costs &costs, uint32_t llmRanks, uint32_t chunks,
                     uint32_t microbatches) {
  uint32_t stages = llmRanks * chunks;
  std::string why = std::to_string(llmRanks) + " ranks x " + std::to_string(chunks) + " chunks";
  if (Status status = checkFigures("llm.forward", costs.llmForward, stages, why); !status)
    return status;
  if (Status status = checkFigures("llm.backward_weight", costs.llmBackwardWeight, stages, why);
      !status)
    return status;
  if (Status status = checkLength("llm.backward_input", costs.llmBackwardInput, stages, why);
      !status)
    return status;
  if (Status status = checkFrozenStages(costs, stages); !status)
    return status;
  if (Status status = checkPart("encoder", costs.encoder, microbatches); !status)
    return status;
  if (Status status = checkPart("generator", costs.generator, microbatches); !status)
    return status;
  if (Status status = checkNumber("transfer", costs.transfer); !status)
    return status;
  if (!costs.activationBytes)
    return Status::success();
  const ActivationBytes &bytes = *costs.activationBytes;
  if (Status status = checkBytes("activation_bytes.llm", bytes.llm, stages, why); !status)
    return status;
  if (Status status =
          checkBytes("activation_bytes.weight_gradient", bytes.weightGradient, stages, why);
      !status)
    return status;
  if (Status status = checkBytes("activation_bytes.encoder", PerIndex(bytes.encoder), 1, why);
      !status)
    return status;
  return checkBytes("activation_bytes.generator", PerIndex(bytes.generator), 1, why);
}

Status validateStandardCosts(const Costs &costs, uint32_t llmRanks, uint32_t chunks) {
  if (!costs.encoder || !costs.encoder->backward)
    return Status::success();
  for (uint32_t s = 0; s < llmRanks * chunks; ++s)
    if (!costs.llmBackwardInput.at(s))
      return Error{"costs: llm.backward_input of stage " + std::to_string(s) +
                   " is null, but the encoder's backward needs it; give a number, or no "
                   "encoder.backward"};
  return Status::success();
}

Workload workloadOf(const Costs &costs, uint32_t ranks, uint32_t chunks, uint32_t microbatches,
                    const std::optional<RankPlacement> &placement) {
  Workload workload;
  workload.ranks = ranks;
  workload.placement = placement;
  workload.chunks = chunks;
  workload.microbatches = microbatches;
  workload.hasEncoder = costs.encoder.has_value();
  workload.encoderBackward = costs.encoder && costs.encoder->backward;
  workload.hasGenerator = costs.generator.has_value();
  for (uint32_t s = 0; s < workload.stages(); ++s) {
    workload.stageBackward.push_back(costs.llmBackwardInput.at(s).has_value());
    workload.stageWeightGradient.push_back(costs.llmBackwardWeight.at(s) > 0);
  }
  return workload;
}

double secondsOf(const Costs &costs, const Schedule &schedule, uint32_t rank, const Action &action,
                 const Jitter &jitter) {
  double seconds = 0;
  if (action.component == Component::Llm) {
    uint32_t stage = schedule.stageOf(rank, action.chunk);
    if (action.phase == Phase::Forward) {
      seconds = costs.llmForward.at(stage);
    } else if (action.phase == Phase::WeightGradient) {
      seconds = costs.llmBackwardWeight.at(stage);
    } else {
      seconds = costs.llmBackwardInput.at(stage).value_or(0);
      if (!schedule.splitBackward)
        seconds += costs.llmBackwardWeight.at(stage);
    }
  } else {
    const std::optional<Costs::Part> &part =
        action.component == Component::Encoder ? costs.encoder : costs.generator;
    if (part && action.phase != Phase::Backward)
      seconds += part->forward.at(action.microbatch);
    if (part && part->backward && action.phase != Phase::Forward)
      seconds += part->backward->at(action.microbatch);
  }
  return jitter.none() ? seconds : seconds * jitterFactor(jitter, rank, action);
}

} // namespace bigmac::planning
