//===- Profile.cpp - Measured times in place of analytic ones -------------===//

#include "bigmac/Planning/Profile.h"

#include <array>
#include <cstdio>
#include <map>

namespace bigmac::planning {

namespace {

/// Tasks whose times are scaled together. Input and weight gradients are one kind: another program
/// may have them in one task.
enum Kind { LlmForward, LlmBackward, EncoderForward, EncoderBackward, Generator, KindCount };

constexpr std::array<std::string_view, KindCount> kindNames = {
    "llm forward", "llm backward", "encoder forward", "encoder backward", "generator"};

Kind kindOf(const TaskSignature &task) {
  bool forward = task.phase == Phase::Forward;
  switch (task.component) {
  case Component::Llm:
    return forward ? LlmForward : LlmBackward;
  case Component::Encoder:
    return forward ? EncoderForward : EncoderBackward;
  case Component::Generator:
    return Generator;
  }
  return Generator;
}

Status checkModel(const Profile &profile, const ModelSignature &model) {
  const ModelSignature &other = profile.model;
  if (other.parameters != model.parameters || other.parameterBytes != model.parameterBytes)
    return Error{"the trace is of another model: '" + other.name + "' with " +
                 std::to_string(other.parameters) + " parameters of " +
                 std::to_string(other.parameterBytes) + " bytes, where '" + model.name + "' has " +
                 std::to_string(model.parameters) + " of " + std::to_string(model.parameterBytes) +
                 " bytes; give a trace of this model"};
  if (other.samples != model.samples)
    return Error{"the trace has " + std::to_string(other.samples) +
                 " samples in a microbatch, this program " + std::to_string(model.samples) +
                 "; give a trace of the same --dim"};
  return Status::success();
}

} // namespace

Result<ProfiledSeconds> applyProfile(const Profile &profile, const ModelSignature &model,
                                     std::span<const TaskEstimate> estimates) {
  if (Status status = checkModel(profile, model); !status)
    return status.error();
  std::map<std::string_view, const ProfiledTask *> measured;
  for (const ProfiledTask &task : profile.tasks)
    measured[task.signature.name] = &task;

  ProfiledSeconds result;
  result.exact = measured.size() == estimates.size();
  for (const TaskEstimate &estimate : estimates) {
    auto it = measured.find(estimate.signature.name);
    if (it == measured.end() || it->second->signature != estimate.signature) {
      result.exact = false;
      result.seconds.clear();
      break;
    }
    result.seconds.push_back(it->second->seconds);
  }
  if (result.exact)
    return result;

  result.seconds.clear();
  std::array<double, KindCount> took{}, expected{};
  for (const ProfiledTask &task : profile.tasks)
    took[kindOf(task.signature)] += task.seconds;
  for (const TaskEstimate &estimate : estimates)
    expected[kindOf(estimate.signature)] += estimate.seconds;
  for (size_t kind = 0; kind < KindCount; ++kind) {
    if (expected[kind] == 0)
      continue;
    if (took[kind] == 0)
      return Error{"the trace has no task of kind '" + std::string(kindNames[kind]) +
                   "', which this program has; give a trace of a program with the same "
                   "components and trained parameters"};
    char text[64];
    std::snprintf(text, sizeof text, "%s%s x%.3g", result.factors.empty() ? "" : ", ",
                  std::string(kindNames[kind]).c_str(), took[kind] / expected[kind]);
    result.factors += text;
  }
  for (const TaskEstimate &estimate : estimates) {
    Kind kind = kindOf(estimate.signature);
    result.seconds.push_back(
        expected[kind] == 0 ? 0 : estimate.seconds * (took[kind] / expected[kind]));
  }
  return result;
}

} // namespace bigmac::planning
