//===- ActionGraph.h - A schedule's actions and dependencies, flat -*- C++ -*-===//
//
// Private to the library. Every action of a schedule has a dense id: those of rank 0 in order, then
// rank 1's, and so on. Dependencies are ids in flat arrays, so executing an order touches no hash
// map and no pointer.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_ACTIONGRAPH_H
#define BIGMAC_LIB_PLANNING_ACTIONGRAPH_H

#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace bigmac::planning {

inline constexpr uint32_t noAction = ~uint32_t(0);

/// Finds an action's id.
class ActionIndex {
public:
  /// Errors: malformed actions, an action that a rank runs twice.
  static Result<ActionIndex> build(const Schedule &schedule);

  /// The id, or noAction.
  uint32_t find(uint32_t rank, const Action &action) const;

  uint32_t rankBegin(uint32_t rank) const { return begins[rank]; }
  uint32_t size() const { return begins.back(); }

private:
  bool llmSlot(uint32_t rank, const Action &action, size_t &slot) const;

  uint32_t ranks = 0, chunks = 0, microbatches = 0, phases = 2;
  std::vector<uint32_t> begins;
  /// By (rank, phase, chunk, microbatch).
  std::vector<uint32_t> llm;
  /// By rank: (key, id) of the other components' actions, sorted; there are few of them.
  std::vector<std::vector<std::pair<uint64_t, uint32_t>>> others;
};

/// A producer's id and how many times `transfer` is between its end and the consumer: 0 on the same
/// rank, else 1.
struct Edge {
  uint32_t producer : 30;
  uint32_t hops : 2;
};
static_assert(sizeof(Edge) == 4);

class ActionGraph {
public:
  /// Errors: those of ActionIndex, a dependency on an action that the schedule lacks, the same
  /// dependency twice.
  static Result<ActionGraph> build(const Schedule &schedule, const ActionIndex &index,
                                   const Dependencies &dependencies);

  uint32_t size() const { return static_cast<uint32_t>(edgeBegin.size()) - 1; }
  uint32_t ranks() const { return static_cast<uint32_t>(rankBegin.size()) - 1; }
  std::span<const Edge> producers(uint32_t id) const {
    return {edges.data() + edgeBegin[id], edgeBegin[id + 1] - edgeBegin[id]};
  }
  uint32_t rankOf(uint32_t id) const { return rankOfId[id]; }

  std::vector<uint32_t> rankBegin;
  std::vector<uint16_t> rankOfId;
  std::vector<uint32_t> edgeBegin;
  std::vector<Edge> edges;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_ACTIONGRAPH_H
