//===- AutoSearch.h - Chooses ranks, chunks, replicas, schedule -*- C++ -*-===//
//
// Given what each layer costs on a device, and how many of those there are: every way to arrange
// them is built, executed and measured, and those that fit in memory are ranked by the predicted
// seconds of a step.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_AUTOSEARCH_H
#define BIGMAC_PLANNING_AUTOSEARCH_H

#include "bigmac/Planning/Costs.h"
#include "bigmac/Planning/DeviceModel.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/ScheduleBuilder.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bigmac::planning {

/// One way to run a piece's backward. The first of a piece's points recomputes nothing; held bytes
/// fall and seconds rise from one to the next.
struct HeldPoint {
  /// What is recomputed: all that saves so many bytes for each second. Infinite: nothing.
  double bytesPerSecond = 0;
  /// Held by one microbatch from its forward to its backward.
  uint64_t heldBytes = 0;
  /// Added to the backward.
  double seconds = 0;
};

/// Of one microbatch: an LLM layer, the encoder, or the generator.
struct PieceCosts {
  double forward = 0;
  /// Absent: nothing at or before it is trained. Of the encoder and the generator it is the whole
  /// backward.
  std::optional<double> backward;
  /// LLM: the weight gradients, whether or not a schedule runs them apart.
  double backwardWeight = 0;
  /// At least one.
  std::vector<HeldPoint> points;
  /// What a weight gradient that waits holds.
  uint64_t waitingBytes = 0;
  /// The most that running it takes beside that.
  uint64_t workspaceBytes = 0;
  /// All parameters, and the trained ones among them; the latter's gradients, and what the
  /// optimizer keeps of them, which all who hold them share.
  uint64_t parameterBytes = 0, trainedBytes = 0, gradientBytes = 0, optimizerBytes = 0;
  /// LLM and encoder: what goes on to the next piece.
  uint64_t outputBytes = 0;
};

struct AutoProblem {
  /// The LLM, in order.
  std::vector<PieceCosts> layers;
  std::optional<PieceCosts> encoder, generator;
  DeviceModel device;
  /// Devices in all, and microbatches of a step in all.
  uint32_t world = 1;
  uint64_t microbatches = 1;
  /// Bytes of one device.
  uint64_t memoryLimit = 0;
  /// Those that are tried; one that takes one chunk is not tried with more.
  std::vector<ScheduleKind> schedules;
  /// A part of the choice that is made already.
  std::optional<uint32_t> ranks, chunks, replicas;
  /// Effort of the schedules' own searches.
  uint32_t effort = 1;
};

struct AutoCandidate {
  uint32_t ranks = 1, chunks = 1, replicas = 1;
  /// Of a replica.
  uint32_t microbatches = 1;
  ScheduleKind schedule = ScheduleKind::BigMac;
  /// What is recomputed (HeldPoint); infinite: nothing, 0: all.
  double recompute = 0;
  /// Predicted: of the schedule; of gradient sums, optimizer and parameters; their sum.
  double makespan = 0, reduction = 0, step = 0;
  double bubble = 0;
  /// Of the fullest rank: parameters, gradients, optimizer, activations, transfers, workspace.
  uint64_t peakBytes = 0;
  /// The makespan of so many microbatches is extended from those of fewer.
  bool extended = false;
  /// Why it cannot be chosen; empty where it can.
  std::string rejected;
};

struct AutoRanking {
  /// First the one with the fewest stages (P*V) of those whose step is within 1% of the least: the
  /// choice. Then by step, then bytes, then ranks, chunks, and the order of `schedules`; after them
  /// the rejected ones, by ranks, chunks and schedule.
  std::vector<AutoCandidate> candidates;

  /// How many are not rejected.
  size_t feasible() const;
};

/// "none", "full", or the bytes that a second must save.
std::string recomputeName(double bytesPerSecond);

/// Ranks P x D = world for every P, V chunks with P*V at most the layers, and every schedule.
/// Stages are the exact balanced partition of the layers' forwards, as the compiler cuts. Of
/// several levels of recomputation, the least that fits.
///
/// A step of very many actions is executed with 4P and 8P microbatches, and its makespan and bytes
/// are extended by the difference of the two: an estimate, marked as such.
///
/// Errors: a problem without layers, schedules, microbatches or a limit; nothing fits, with the
/// least bytes that any candidate needs; what is fixed contradicts the world.
Result<AutoRanking> autoSearch(const AutoProblem &problem);

/// The ranking as a table, `most` rows of each kind.
std::string describeRanking(const AutoRanking &ranking, size_t most);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_AUTOSEARCH_H
