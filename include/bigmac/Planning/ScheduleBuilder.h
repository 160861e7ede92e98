//===- ScheduleBuilder.h - Builds a schedule for a problem ------*- C++ -*-===//

#ifndef BIGMAC_PLANNING_SCHEDULEBUILDER_H
#define BIGMAC_PLANNING_SCHEDULEBUILDER_H

#include "bigmac/Planning/Costs.h"
#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace bigmac::planning {

enum class ScheduleKind : uint8_t {
  BigMac,
  BigMacZb,
  OneForwardOneBackward,
  Interleaved,
  GPipe,
  Zb,
  EncoderFirst,
  SeparateStages,
};

/// "bigmac", "bigmac-zb", "1f1b", "interleaved", "gpipe", "zb", "encoder-first", "separate-stages".
std::string_view scheduleName(ScheduleKind kind);

/// Whether the schedule runs weight gradients as actions of their own (`zb`, `bigmac-zb`).
bool splitsBackward(ScheduleKind kind);

/// From its name; the error lists the names.
Result<ScheduleKind> parseScheduleKind(std::string_view name);

struct Problem {
  uint32_t ranks = 1;
  uint32_t chunks = 1;
  uint32_t microbatches = 1;
  /// LLM figures by the stages of `placement`.
  Costs costs;
  /// Absent: every component is on all ranks.
  std::optional<RankPlacement> placement;
  /// What activations may take on a rank, by costs.activationBytes.
  std::optional<uint64_t> memoryLimit;
  /// How far the search goes; 1 is the default, 0 the least.
  uint32_t effort = 1;
  /// Choose among the plans within 1% of the fastest the one that is fastest on average when times
  /// vary (Robustness.h), in place of the fastest with the least window and warm-up.
  bool robust = false;
  /// The program's own dependencies; null for the standard ones. Must outlive the call.
  const Dependencies *dependencies = nullptr;
};

/// Builds, executes and searches. The result is proved: complete, and executable without deadlock.
/// Deterministic.
///
/// Window (encoder units in flight) and extra warm-up are those of the least executed makespan,
/// among equals the least window and then the least warm-up, within the memory limit.
///
/// `separate-stages` needs a placement, with costs that are cut for it: searchSplit (Split.h) gives
/// both.
///
/// Errors: counts out of range (Limits.h), costs that do not fit them, a chunk count that the
/// schedule does not take, a memory limit that nothing keeps (it names the least that works).
Result<Schedule> buildSchedule(ScheduleKind kind, const Problem &problem);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_SCHEDULEBUILDER_H
