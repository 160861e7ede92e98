//===- OrderRefiner.h - Improves orders along the critical path -*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_ORDERREFINER_H
#define BIGMAC_LIB_PLANNING_SEARCH_ORDERREFINER_H

#include "SplitProblem.h"

#include <cstdint>
#include <vector>

namespace bigmac::planning {

/// What a rank holds at most, by its order alone.
struct RankPeaks {
  uint32_t chunks = 0;
  uint32_t waiting = 0;
  uint32_t units = 0;
  /// Without a frozen encoder's units, which die by other ranks' times.
  int64_t bytes = 0;
};

/// Local search over orders. The makespan is a path through actions that wait for each other, by a
/// dependency or by their rank's order; only another order of actions of one rank that follow each
/// other on that path can shorten it. Such a pair, drawn at random (seeded), changes places, or one
/// of it moves to the other end of its run on the path. The change stays if the makespan is no more
/// than some changes ago (late acceptance, E. Burke and Y. Bykov, 2017), and nothing is held
/// beyond what is allowed. Actions of one kind and chunk keep their order, so what crosses ranks
/// arrives as it is used.
class OrderRefiner {
public:
  OrderRefiner(const SplitProblem &split, const RankPeaks &allowed)
      : split(split), allowed(allowed) {}

  /// Improves `orders` (of all actions, free of deadlock) until `budget` actions have been timed or
  /// `goal` is reached. Returns the makespan.
  double refine(IdOrders &orders, double goal, uint64_t budget);

private:
  struct Move {
    uint32_t rank;
    size_t from, to;
  };

  std::vector<Move> movesOnCriticalPath(const IdOrders &orders) const;
  bool mayPass(uint32_t rank, const std::vector<uint32_t> &order, size_t from, size_t to) const;
  bool keepsLimits(uint32_t rank, const std::vector<uint32_t> &order) const;

  const SplitProblem &split;
  RankPeaks allowed;
  OrderRunner runner;
};

/// What `order` holds at most on `rank`.
RankPeaks peaksOf(const SplitProblem &split, uint32_t rank, const std::vector<uint32_t> &order);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_ORDERREFINER_H
