//===- ScheduleBuilder.cpp - Chooses the builder, proves its result -------===//

#include "bigmac/Planning/ScheduleBuilder.h"
#include "Schedules/Builders.h"
#include "bigmac/Planning/Limits.h"
#include "bigmac/Planning/Verifier.h"

#include <iterator>
#include <optional>
#include <string>
#include <utility>

namespace bigmac::planning {

namespace {

struct Entry {
  ScheduleKind kind;
  std::string_view name;
  Result<Schedule> (*build)(const Problem &);
};

constexpr Entry entries[] = {
    {ScheduleKind::BigMac, "bigmac", buildBigMac},
    {ScheduleKind::BigMacZb, "bigmac-zb", buildBigMacZb},
    {ScheduleKind::OneForwardOneBackward, "1f1b", buildOneForwardOneBackward},
    {ScheduleKind::Interleaved, "interleaved", buildInterleaved},
    {ScheduleKind::GPipe, "gpipe", buildGPipe},
    {ScheduleKind::Zb, "zb", buildZb},
    {ScheduleKind::EncoderFirst, "encoder-first", buildEncoderFirst},
    {ScheduleKind::SeparateStages, "separate-stages", buildSeparateStages},
};

const Entry &entryOf(ScheduleKind kind) {
  const Entry &entry = entries[static_cast<size_t>(kind)];
  return entry;
}

std::string allNames() {
  std::string names;
  for (const Entry &entry : entries) {
    if (!names.empty())
      names += ", ";
    names += entry.name;
  }
  return names;
}

} // namespace

std::string_view scheduleName(ScheduleKind kind) { return entryOf(kind).name; }

bool splitsBackward(ScheduleKind kind) {
  return kind == ScheduleKind::Zb || kind == ScheduleKind::BigMacZb;
}

Result<ScheduleKind> parseScheduleKind(std::string_view name) {
  for (const Entry &entry : entries)
    if (entry.name == name)
      return entry.kind;
  return Error{"unknown schedule '" + std::string(name) + "'; expected one of " + allNames()};
}

Status requireOneChunk(ScheduleKind kind, const Problem &problem) {
  if (problem.chunks == 1)
    return Status::success();
  return Error{"schedule '" + std::string(scheduleName(kind)) + "' takes one chunk a rank, found " +
               std::to_string(problem.chunks) +
               "; use chunks 1, or a schedule that takes more: bigmac, bigmac-zb, "
               "interleaved, encoder-first"};
}

Result<Schedule> buildSchedule(ScheduleKind kind, const Problem &problem) {
  const Entry &entry = entryOf(kind);
  if (Status status = checkSize(problem.ranks, problem.chunks, problem.microbatches,
                                splitsBackward(kind) ? 3 : 2);
      !status)
    return status.error();
  if (Status status = checkPlacement(problem.placement, problem.ranks); !status)
    return status.error();
  for (auto [component, exists] :
       {std::pair(Component::Encoder, problem.costs.encoder.has_value()),
        std::pair(Component::Generator, problem.costs.generator.has_value())})
    if (exists && problem.placement && problem.placement->of(component).count == 0)
      return Error{"the placement gives the " + std::string(componentName(component)) + " no rank"};
  const uint32_t llmRanks = problem.placement ? problem.placement->llm.count : problem.ranks;
  if (Status status = validateCosts(problem.costs, llmRanks, problem.chunks, problem.microbatches);
      !status)
    return status.error();
  // The program's own dependencies may take an encoder's gradient from a later stage.
  if (!problem.dependencies)
    if (Status status = validateStandardCosts(problem.costs, llmRanks, problem.chunks); !status)
      return status.error();
  if (problem.memoryLimit && !problem.costs.activationBytes)
    return Error{"a memory limit needs the costs' activation_bytes, to know what actions hold"};

  Result<Schedule> schedule = entry.build(problem);
  if (!schedule)
    return schedule;
  Workload workload = workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches,
                                 problem.placement);
  std::optional<StandardDependencies> standard;
  if (!problem.dependencies)
    standard.emplace(workload);
  if (Status status =
          verifySchedule(*schedule, workload, standard ? *standard : *problem.dependencies);
      !status)
    return status.error();
  return schedule;
}

} // namespace bigmac::planning
