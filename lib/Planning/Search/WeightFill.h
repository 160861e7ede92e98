//===- WeightFill.h - Weight gradients into the gaps of an order -*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_WEIGHTFILL_H
#define BIGMAC_LIB_PLANNING_SEARCH_WEIGHTFILL_H

#include "SplitProblem.h"

namespace bigmac::planning {

/// What may wait on a rank. Nothing waits for a weight gradient, so wherever they go after their
/// own backward, the orders stay free of deadlock.
struct FillLimits {
  /// Most weight gradients that wait.
  uint32_t waiting = 0;
  /// Most chunks whose activations or weight gradient are held: from a forward until its weight
  /// gradient ends. What the order itself holds may be more.
  uint32_t held = ~uint32_t(0);
  /// A weight gradient goes into a gap of at least this part of its time; 1: only where it fits.
  double share = 1;
};

/// Orders and the times at which they run.
struct FilledOrders {
  IdOrders orders;
  /// By id.
  std::vector<double> finish;
  double makespan = 0;
};

/// Runs `main` (all actions except weight gradients, in a deadlock-free order) rank by rank in
/// time, and puts each rank's weight gradients, oldest first, where the rank would otherwise wait,
/// or where a limit is reached; the others come last.
FilledOrders fillWeightGradients(const SplitProblem &split, const IdOrders &main,
                                 const FillLimits &limits);

/// Every weight gradient directly behind its backward: not slower than the unsplit backward.
IdOrders weightGradientsAtOnce(const SplitProblem &split, const IdOrders &main);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_WEIGHTFILL_H
