//===- MainOrders.h - Orders that gaps are filled in ------------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_MAINORDERS_H
#define BIGMAC_LIB_PLANNING_SEARCH_MAINORDERS_H

#include "../CutConstruction.h"
#include "SplitProblem.h"

#include <compare>
#include <cstdint>
#include <map>
#include <memory>

namespace bigmac::planning {

/// How an order is built.
struct MainShape {
  /// Forwards that every rank runs ahead beyond the LLM order's own warm-up.
  uint32_t extra = 0;
  /// Further ones, up to this many, but no more than ranks follow: the last rank has none.
  uint32_t longer = 0;
  /// Encoder units in flight; 0: all encoder forwards first, all backwards last.
  uint32_t window = 0;
  /// The first window's encoder forwards come at the cuts before their first use, in place of all
  /// before the LLM.
  bool justInTime = false;

  friend auto operator<=>(const MainShape &, const MainShape &) = default;
};

/// Orders of all actions except weight gradients, in a split problem's ids, by the cut construction
/// (with unsplit times).
class MainOrders {
public:
  explicit MainOrders(const SplitProblem &split);

  /// Empty where the LLM's order alone has a deadlock. The whole may have one too.
  IdOrders build(const MainShape &shape);

private:
  CutConstruction *construction(uint32_t extra, uint32_t longer);
  IdOrders moveFirstForwards(IdOrders orders, uint32_t window);

  const SplitProblem &split;
  CutProblem cuts;
  OrderRunner runner;
  std::map<std::pair<uint32_t, uint32_t>, std::unique_ptr<CutConstruction>> constructions;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_MAINORDERS_H
