//===- OrderRunner.h - The longest path over orders -------------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_ORDERRUNNER_H
#define BIGMAC_LIB_PLANNING_ORDERRUNNER_H

#include "ActionGraph.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace bigmac::planning {

/// By rank, ids of the graph in the order in which the rank runs them.
using IdOrders = std::vector<std::vector<uint32_t>>;

/// The order in which the graph numbers its actions.
IdOrders identityOrders(const ActionGraph &graph);

/// An execution of orders. Memory is kept between runs.
class OrderRunner {
public:
  /// Runs `orders` (of all or some of the graph's actions; every producer must be in them). False:
  /// a deadlock.
  bool run(const ActionGraph &graph, const IdOrders &orders, std::span<const double> seconds,
           double transfer);

  /// End times by id; negative for what did not run.
  std::vector<double> finish;
  double makespan = 0;
  /// How many actions ran.
  uint64_t ran = 0;

  /// After a deadlock: its cycle, in words. `name` describes an id.
  std::string explainDeadlock(const ActionGraph &graph, const IdOrders &orders,
                              const std::function<std::string(uint32_t)> &name) const;

private:
  bool advance(const ActionGraph &graph, const std::vector<uint32_t> &order, uint32_t rank,
               std::span<const double> seconds, double transfer);

  std::vector<size_t> next;
  std::vector<double> freeAt;
  /// Ranks that wait for an action: a linked list through the ranks, as a rank waits for one action
  /// at a time.
  std::vector<uint16_t> firstWaiter;
  std::vector<uint16_t> nextWaiter;
  /// How many ranks wait for one of a rank's actions.
  std::vector<uint16_t> waiterCount;
  std::vector<uint32_t> waitsFor;
  std::vector<uint32_t> runnable;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_ORDERRUNNER_H
