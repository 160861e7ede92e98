//===- OrderSearch.h - Place buffers one by one -----------------*- C++ -*-===//
//
// Private to the library. Buffers are placed one by one, each at the lowest place that is free
// during its whole lifetime. The order decides how good that is: several are tried, and the best is
// improved by moving the buffers that reach the peak forward. Takes any number of buffers.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_MEMORY_ORDERSEARCH_H
#define BIGMAC_LIB_PLANNING_MEMORY_ORDERSEARCH_H

#include "OverlapIndex.h"
#include "bigmac/Planning/MemoryPlanner.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace bigmac::planning {

class OrderSearch {
public:
  /// Improves `best`, a placement of the `active` buffers, until its peak is no more than `goal`.
  OrderSearch(std::span<const Buffer> buffers, const std::vector<uint32_t> &active, uint32_t effort,
              uint64_t goal, Placement &best);

  void tryOrders();
  void improveByMoves();

private:
  bool done() const { return best.peak <= goal; }
  bool place(const std::vector<uint32_t> &order, uint64_t limit, uint64_t &peak);
  void improve(const std::vector<uint32_t> &order);
  template <typename Key> std::vector<uint32_t> sortedBy(Key key) const;

  std::span<const Buffer> buffers;
  const std::vector<uint32_t> &active;
  const uint32_t effort;
  const uint64_t goal;
  Placement &best;
  OverlapIndex overlaps;
  /// The order of the best placement, or where to start from if that was made without one.
  std::vector<uint32_t> bestOrder;
  uint64_t budget;
  uint64_t visits = 0;
  /// Of the latest call of place().
  std::vector<uint64_t> offsets;
  std::vector<std::pair<uint64_t, uint64_t>> taken;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_MEMORY_ORDERSEARCH_H
