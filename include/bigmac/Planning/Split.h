//===- Split.h - Ranks of their own for encoder and generator ---*- C++ -*-===//
//
// The placement of schedule `separate-stages`, as Megatron-LM and DistTrain (arXiv 2408.04275)
// have it: e encoder ranks first, then L LLM ranks, then g generator ranks, e + L + g = P. The
// encoder's ranks hold a replica each and take the microbatches in turn, and so do the generator's:
// e ranks encode e microbatches in the time of one. With too few ranks for all three, the encoder
// joins the first LLM stage's rank and the generator the last one's.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_SPLIT_H
#define BIGMAC_PLANNING_SPLIT_H

#include "bigmac/Planning/ScheduleBuilder.h"

#include <vector>

namespace bigmac::planning {

/// A split that was executed.
struct SplitTrial {
  RankPlacement placement;
  double makespan = 0;
};

struct Split {
  RankPlacement placement;
  /// The problem's costs with the LLM recut to this split's stages.
  Costs costs;
  /// Of the schedule that buildSchedule makes of them.
  double makespan = 0;
  /// Every split that was executed, in the order in which they were; all others cannot be faster,
  /// or (`complete` false) were not tried as the problem is large.
  std::vector<SplitTrial> tried;
  bool complete = true;
};

/// The LLM of `costs`, given for `stages` stages, cut anew into `newStages`. Where all stages are
/// trained in the same way, each of them takes an equal share of the forward, of the input gradient,
/// of the weight gradient and of the bytes. Else the cuts are at equal total cost (forward and
/// backward), each given stage's cost and bytes taken as spread evenly over it: a new stage has a
/// backward if any part of it has. With even costs each figure is exactly stages/newStages of what
/// it was.
Costs recutLlm(const Costs &costs, uint32_t stages, uint32_t newStages);

/// The split of problem.ranks with the least executed makespan within the memory limit; among
/// equals the fewest encoder ranks, then the fewest generator ranks. `problem.costs` is given for
/// ranks*chunks stages (a number stands for one stage, so a total T is T/(ranks*chunks));
/// `problem.placement` and `problem.dependencies` are not looked at: a program can only have its
/// dependencies when it is cut. Deterministic.
///
/// Errors: those of buildSchedule.
Result<Split> searchSplit(const Problem &problem);

/// `problem` with the split's placement and costs.
Problem withSplit(Problem problem, const Split &split);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_SPLIT_H
