//===- Partition.h - Balanced contiguous partition --------------*- C++ -*-===//

#ifndef BIGMAC_PLANNING_PARTITION_H
#define BIGMAC_PLANNING_PARTITION_H

#include "bigmac/Planning/Result.h"

#include <cstdint>
#include <span>
#include <vector>

namespace bigmac::planning {

struct Partition {
  /// Stage i is the elements boundaries[i] .. boundaries[i+1]-1; the first is 0, the last the
  /// number of elements.
  std::vector<uint32_t> boundaries;
  /// The most expensive stage's cost.
  double maxCost = 0;
  /// Sum of the cut costs paid.
  double cutCost = 0;
};

/// Cuts elements 0..n-1, in order, into `stages` stages of at least one element: the most expensive
/// stage is as cheap as can be; among those, the cuts cost least; among those, the boundaries come
/// earliest (first boundary first). cutCosts[i] is paid for a boundary between elements i and i+1
/// (n-1 of them; empty: all free); infinity forbids it. Exact, in O(n * stages * log n) for
/// non-negative costs.
///
/// Errors: fewer elements than stages, no stage, a wrong number of cut costs, a cost that is
/// negative or not finite, no allowed partition.
Result<Partition> partitionBalanced(std::span<const double> costs, std::span<const double> cutCosts,
                                    uint32_t stages);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_PARTITION_H
