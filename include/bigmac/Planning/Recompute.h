//===- Recompute.h - What to compute again to fit in memory -----*- C++ -*-===//
//
// Each task that has a backward can keep all that its forward made, or keep less and compute the
// rest again. Which tasks give up how much, so that every rank fits in its memory at the least
// time: the pure choice, from figures that the compiler measures.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_RECOMPUTE_H
#define BIGMAC_PLANNING_RECOMPUTE_H

#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <vector>

namespace bigmac::planning {

/// One way to run a task's backward.
struct RecomputeLevel {
  /// What one microbatch holds from its forward until its backward has ended.
  uint64_t heldBytes = 0;
  /// What the backward itself takes while it runs.
  uint64_t workspaceBytes = 0;
  /// What recomputation adds to one run.
  double seconds = 0;
};

struct RecomputeTask {
  /// From nothing recomputed to everything; `seconds` rises strictly.
  std::vector<RecomputeLevel> levels;
  /// Where it runs: on each rank how many microbatches hold at once, and how many it runs in a
  /// step.
  struct Use {
    uint32_t rank = 0;
    uint64_t held = 0;
    uint64_t runs = 0;
  };
  std::vector<Use> uses;
};

/// Measured bytes of every rank at one choice of levels; estimates of other choices differ from it
/// by what the levels say.
struct RecomputeProblem {
  std::vector<RecomputeTask> tasks;
  /// By task: the levels at which `bytes` were measured.
  std::vector<uint32_t> measured;
  /// By rank.
  std::vector<uint64_t> bytes;
  uint64_t limit = 0;
};

/// Bytes of each rank at `levels`, estimated.
std::vector<int64_t> estimateBytes(const RecomputeProblem &problem,
                                   const std::vector<uint32_t> &levels);

/// Seconds that `levels` add to the step of the rank that they delay most.
double addedSeconds(const RecomputeProblem &problem, const std::vector<uint32_t> &levels);

struct RecomputeChoice {
  std::vector<uint32_t> levels;
  /// Whether every rank's estimate is within the limit. If not, `levels` are the ones of the least
  /// estimate found.
  bool fits = false;
};

/// From nothing recomputed, raises the level that saves the most needed bytes for each second,
/// until every rank fits; then lowers again what turned out not to be needed, dearest first.
/// Deterministic; the problem is well-formed (indexes in range, levels not empty).
RecomputeChoice chooseRecompute(const RecomputeProblem &problem);

/// The levels with the least bytes, rank by rank, however long they take. A level's bytes are not
/// monotonic: it may cost more workspace than it saves.
std::vector<uint32_t> leastMemory(const RecomputeProblem &problem);

/// The most microbatches that are between their forward and the end of their last backward phase at
/// once, for the encoder or the LLM's `chunk` on `rank`.
uint64_t mostHeld(const Schedule &schedule, uint32_t rank, Component component, uint32_t chunk);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_RECOMPUTE_H
