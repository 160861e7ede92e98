//===- Profile.h - Measured times of a program's tasks ----------*- C++ -*-===//
//
// What `train --trace FILE` wrote: events of all ranks in the format of chrome://tracing and
// Perfetto, and what the program was. An action's seconds are those of all of its instructions but
// waits; a task's are the median over microbatches, ranks and steps, without the first step, in
// which memory is touched for the first time.
//
// The file is not trusted: its size, nesting, names and counts are limited.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_PROFILE_H
#define BIGMAC_PLANNING_PROFILE_H

#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bigmac::planning {

/// What tells one program's task from another's.
struct TaskSignature {
  std::string name;
  Component component = Component::Llm;
  Phase phase = Phase::Forward;
  /// Buffers that it takes and makes, its workspace aside, and their bytes.
  uint64_t buffers = 0, bytes = 0;

  friend bool operator==(const TaskSignature &, const TaskSignature &) = default;
};

/// What a program is whatever it was partitioned into.
struct ModelSignature {
  std::string name;
  /// In one microbatch.
  uint64_t samples = 0;
  uint64_t parameters = 0, parameterBytes = 0;
};

struct ProfiledTask {
  TaskSignature signature;
  /// The median, and how many runs it is of.
  double seconds = 0;
  uint64_t runs = 0;
};

struct Profile {
  ModelSignature model;
  uint32_t ranks = 0, chunks = 0, replicas = 0, microbatches = 0;
  /// In the order in which the trace declares them.
  std::vector<ProfiledTask> tasks;
  /// Steps that are counted, and the median over them of the seconds from the first to the last
  /// instruction of any rank: what a schedule's makespan predicts.
  uint64_t steps = 0;
  double stepSeconds = 0;
};

/// Reads a trace. `origin` says in messages where the text came from. Errors: no trace of a BigMac
/// program, a declared task without a run, fewer than two steps, values out of range.
Result<Profile> parseProfile(std::string_view text, std::string_view origin);

/// The same from a file of at most 2 GiB.
Result<Profile> readProfile(const std::string &path);

/// A task of the program that is planned, and its analytic seconds.
struct TaskEstimate {
  TaskSignature signature;
  double seconds = 0;
};

struct ProfiledSeconds {
  /// By estimate.
  std::vector<double> seconds;
  /// The trace is of this very partition, and `seconds` are its times. Otherwise they are the
  /// analytic ones, scaled by measured over analytic for each component's forwards and backwards,
  /// whose sums over stages do not depend on the partition.
  bool exact = false;
  /// For messages: the factors, "llm forward x2.1, ...".
  std::string factors;
};

/// Seconds of `estimates` by `profile`. Errors: the trace is of another model or number of samples,
/// or lacks a kind of task that the program has.
Result<ProfiledSeconds> applyProfile(const Profile &profile, const ModelSignature &model,
                                     std::span<const TaskEstimate> estimates);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_PROFILE_H
