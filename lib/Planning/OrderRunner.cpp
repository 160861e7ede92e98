//===- OrderRunner.cpp - The longest path over orders ---------------------===//

#include "OrderRunner.h"
#include "bigmac/Planning/Limits.h"

#include <algorithm>
#include <numeric>

namespace bigmac::planning {

namespace {

constexpr uint16_t noRank = 0xffff;
static_assert(maxRanks < noRank);

} // namespace

IdOrders identityOrders(const ActionGraph &graph) {
  IdOrders orders(graph.ranks());
  for (uint32_t rank = 0; rank < graph.ranks(); ++rank) {
    orders[rank].resize(graph.rankBegin[rank + 1] - graph.rankBegin[rank]);
    std::iota(orders[rank].begin(), orders[rank].end(), graph.rankBegin[rank]);
  }
  return orders;
}

bool OrderRunner::advance(const ActionGraph &graph, const std::vector<uint32_t> &order,
                          uint32_t rank, std::span<const double> seconds, double transfer) {
  size_t position = next[rank];
  double now = freeAt[rank];
  const double delay[] = {0, transfer, 2 * transfer};
  for (; position < order.size(); ++position) {
    uint32_t id = order[position];
    double begin = now;
    for (Edge edge : graph.producers(id)) {
      double produced = finish[edge.producer];
      if (produced < 0) {
        next[rank] = position;
        freeAt[rank] = now;
        waitsFor[rank] = edge.producer;
        nextWaiter[rank] = firstWaiter[edge.producer];
        firstWaiter[edge.producer] = static_cast<uint16_t>(rank);
        ++waiterCount[graph.rankOf(edge.producer)];
        return false;
      }
      begin = std::max(begin, produced + delay[edge.hops]);
    }
    now = begin + seconds[id];
    finish[id] = now;
    ++ran;
    if (waiterCount[rank] == 0)
      continue;
    for (uint16_t waiter = firstWaiter[id]; waiter != noRank; waiter = nextWaiter[waiter]) {
      waitsFor[waiter] = noAction;
      --waiterCount[rank];
      runnable.push_back(waiter);
    }
  }
  next[rank] = position;
  freeAt[rank] = now;
  return true;
}

bool OrderRunner::run(const ActionGraph &graph, const IdOrders &orders,
                      std::span<const double> seconds, double transfer) {
  const uint32_t ranks = graph.ranks();
  finish.assign(graph.size(), -1.0);
  waiterCount.assign(ranks, 0);
  firstWaiter.assign(graph.size(), noRank);
  nextWaiter.assign(ranks, noRank);
  waitsFor.assign(ranks, noAction);
  next.assign(ranks, 0);
  freeAt.assign(ranks, 0.0);
  ran = 0;
  makespan = 0;

  runnable.clear();
  for (uint32_t rank = ranks; rank-- > 0;)
    runnable.push_back(rank);
  while (!runnable.empty()) {
    uint32_t rank = runnable.back();
    runnable.pop_back();
    advance(graph, orders[rank], rank, seconds, transfer);
  }

  bool complete = true;
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    complete &= next[rank] == orders[rank].size();
    makespan = std::max(makespan, freeAt[rank]);
  }
  return complete;
}

std::string OrderRunner::explainDeadlock(const ActionGraph &graph, const IdOrders &orders,
                                         const std::function<std::string(uint32_t)> &name) const {
  // Every stuck rank waits for an action that a stuck rank has not reached: following these leads
  // into a cycle.
  uint32_t rank = 0;
  while (rank < graph.ranks() && next[rank] == orders[rank].size())
    ++rank;
  std::vector<bool> seen(graph.ranks(), false);
  while (!seen[rank]) {
    seen[rank] = true;
    rank = graph.rankOf(waitsFor[rank]);
  }

  std::string text = "deadlock: ";
  const uint32_t first = rank;
  do {
    uint32_t head = orders[rank][next[rank]];
    uint32_t awaited = waitsFor[rank];
    uint32_t other = graph.rankOf(awaited);
    uint32_t otherHead = orders[other][next[other]];
    if (rank != first)
      text += "; ";
    text += name(head) + " waits for " + name(awaited);
    if (awaited != otherHead)
      text += ", which comes after " + name(otherHead) + " there";
    rank = other;
  } while (rank != first);
  return text;
}

} // namespace bigmac::planning
