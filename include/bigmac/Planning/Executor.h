//===- Executor.h - Times a schedule's orders -------------------*- C++ -*-===//
//
// The longest path: an action starts when the action before it on its rank has ended and everything
// it depends on has ended and, from another rank, arrived `transfer` seconds later. Time starts at
// 0.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_EXECUTOR_H
#define BIGMAC_PLANNING_EXECUTOR_H

#include "bigmac/Planning/Costs.h"
#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <vector>

namespace bigmac::planning {

/// Seconds, indexed as Schedule::orders.
struct Timing {
  std::vector<std::vector<double>> start;
  std::vector<std::vector<double>> end;
  double makespan = 0;
};

/// Times `schedule`. Errors: an action twice on a rank, a dependency on an action that the schedule
/// lacks, and a deadlock, with the actions of the cycle.
Result<Timing> execute(const Schedule &schedule, const Dependencies &dependencies,
                       const Costs &costs, const Jitter &jitter = {});

/// What is reported of a timed schedule.
struct Figures {
  double makespan = 0;
  /// The busiest rank's work: no schedule of these actions on these ranks is faster.
  double bound = 0;
  /// LowerBound.h's, of the same actions: at least `bound`, at most `makespan`.
  double tightBound = 0;
  /// 1 - total work / (ranks * makespan).
  double bubble = 0;
  /// Most units alive on a rank: an encoder unit from its forward until its backward has ended
  /// (frozen: until the unit's last consumer has), a generator unit from its forward until its
  /// backward has ended.
  uint32_t peakEncoderUnits = 0;
  uint32_t peakGeneratorUnits = 0;
  /// Most chunk activations held on a rank, divided by the chunks: from the forward until the
  /// backward has ended, or the weight gradient where split. A stage without a backward holds none.
  double peakLlmMicrobatches = 0;
  /// Most weight gradients waiting on a rank.
  uint32_t peakPendingWeightGradients = 0;
  /// By rank, of Costs::activationBytes; empty without it.
  std::vector<uint64_t> peakBytes;
  uint64_t actions = 0;
};

/// Figures of `schedule` as timed by execute() with the same arguments. Errors: those of execute(),
/// and a timing of another schedule.
Result<Figures> measure(const Schedule &schedule, const Timing &timing,
                        const Dependencies &dependencies, const Costs &costs,
                        const Jitter &jitter = {});

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_EXECUTOR_H
