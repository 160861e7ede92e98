//===- LongestPaths.h - Heads and tails of actions --------------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_LONGESTPATHS_H
#define BIGMAC_LIB_PLANNING_LONGESTPATHS_H

#include "ActionGraph.h"

#include <span>
#include <vector>

namespace bigmac::planning {

/// Longest paths of dependencies alone, whatever the orders of the ranks. By id.
struct LongestPaths {
  /// From the step's start to where the action may start.
  std::vector<double> head;
  /// From the action's end to the step's end.
  std::vector<double> tail;
};

/// Both are empty where the dependencies form a cycle.
LongestPaths longestPaths(const ActionGraph &graph, std::span<const double> seconds,
                          double transfer);

/// The bound of LowerBound.h, the greatest over all ranks.
double boundOf(const ActionGraph &graph, std::span<const double> seconds,
               const LongestPaths &paths);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_LONGESTPATHS_H
