//===- FillSearch.h - Chooses how weight gradients are deferred -*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_FILLSEARCH_H
#define BIGMAC_LIB_PLANNING_SEARCH_FILLSEARCH_H

#include "SplitProblem.h"
#include "WeightFill.h"

#include <cstdint>
#include <limits>

namespace bigmac::planning {

/// Keeps the best of the schedules that are put to it: of the least makespan within the memory
/// limit, among equals the first.
class FillSearch {
public:
  explicit FillSearch(const SplitProblem &split) : split(split) {}

  /// `main`, a schedule with unsplit backwards, with its weight gradients directly behind their
  /// backwards, and deferred with up to `waiting` of them (and up to `held` chunks held).
  void consider(const Schedule &main, uint32_t waiting, uint32_t held);

  /// Errors: the memory limit is kept by nothing that was considered; names the least that works.
  Result<Schedule> best() const;

private:
  void offer(const Schedule &main, IdOrders orders, const std::vector<double> &finish,
             double makespan);

  const SplitProblem &split;
  OrderRunner runner;
  std::optional<Schedule> chosen;
  double leastMakespan = std::numeric_limits<double>::infinity();
  uint64_t leastBytes = std::numeric_limits<uint64_t>::max();
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_FILLSEARCH_H
