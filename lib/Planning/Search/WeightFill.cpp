//===- WeightFill.cpp - Weight gradients into the gaps of an order --------===//

#include "WeightFill.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <queue>
#include <utility>

namespace bigmac::planning {

namespace {

constexpr double unknown = std::numeric_limits<double>::infinity();

class Filler {
public:
  Filler(const SplitProblem &split, const IdOrders &main, const FillLimits &limits)
      : split(split), main(main), limits(limits), ranks(split.reference.ranks) {
    result.orders.resize(ranks.size());
    for (uint32_t rank = 0; rank < ranks.size(); ++rank)
      result.orders[rank].reserve(split.reference.orders[rank].size());
    result.finish.assign(split.graph.size(), -1.0);
    waiters.assign(ranks.size(), {});
  }

  FilledOrders run() {
    for (uint32_t rank = 0; rank < ranks.size(); ++rank)
      decisions.emplace(0.0, rank);
    while (!decisions.empty()) {
      auto [time, rank] = decisions.top();
      decisions.pop();
      // A rank that was woken twice has only its latest decision pending.
      if (ranks[rank].decision == time)
        decide(rank, time);
    }
    return std::move(result);
  }

private:
  struct RankState {
    explicit RankState() = default;
    size_t next = 0;
    /// When this rank decides next; `unknown` while it waits to be woken.
    double decision = 0;
    double freeAt = 0;
    uint32_t held = 0;
    std::deque<uint32_t> waiting;
  };
  struct RankStates : std::vector<RankState> {
    explicit RankStates(uint32_t count) : std::vector<RankState>(count) {}
  };

  /// When everything that `id` needs has arrived; `unknown` where a producer has not started, which
  /// is then `missing`.
  double readyAt(uint32_t id, uint32_t &missing) const {
    double ready = 0;
    for (Edge edge : split.graph.producers(id)) {
      if (result.finish[edge.producer] < 0) {
        missing = edge.producer;
        return unknown;
      }
      ready =
          std::max(ready, result.finish[edge.producer] + edge.hops * split.problem->costs.transfer);
    }
    return ready;
  }

  void decide(uint32_t rank, double now) {
    RankState &state = ranks[rank];
    uint32_t missing = noAction;
    const bool done = state.next == main[rank].size();
    if (done) {
      if (!state.waiting.empty())
        runWeightGradient(rank, now);
      else
        state.decision = unknown;
      return;
    }
    uint32_t id = main[rank][state.next];
    double ready = readyAt(id, missing);
    if (!state.waiting.empty()) {
      double gap = ready - now;
      double needed = limits.share * split.seconds[state.waiting.front()];
      if ((gap > 0 && gap >= needed) || limitReached(rank, id)) {
        runWeightGradient(rank, now);
        return;
      }
    }
    if (ready <= now) {
      start(rank, id, now);
      ++state.next;
    } else if (ready != unknown) {
      decideAt(rank, ready);
    } else {
      state.decision = unknown;
      waiters[split.graph.rankOf(missing)].push_back({missing, rank});
    }
  }

  bool limitReached(uint32_t rank, uint32_t id) const {
    const RankState &state = ranks[rank];
    const Action &action = split.actionOf(rank, id);
    if (action.component != Component::Llm)
      return false;
    if (action.phase == Phase::Backward)
      return state.waiting.size() >= limits.waiting &&
             split.weightGradientOf(rank, action) != noAction;
    return state.held >= limits.held;
  }

  void runWeightGradient(uint32_t rank, double now) {
    uint32_t id = ranks[rank].waiting.front();
    ranks[rank].waiting.pop_front();
    --ranks[rank].held;
    uint32_t missing = noAction;
    start(rank, id, std::max(now, readyAt(id, missing)));
  }

  void start(uint32_t rank, uint32_t id, double now) {
    const Action &action = split.actionOf(rank, id);
    const double end = now + split.seconds[id];
    result.finish[id] = end;
    result.makespan = std::max(result.makespan, end);
    result.orders[rank].push_back(id);
    if (action.component == Component::Llm) {
      uint32_t weight = split.weightGradientOf(rank, action);
      bool backward = split.workload.stageBackward[split.workload.stageOf(rank, action.chunk)];
      if (action.phase == Phase::Forward && backward)
        ++ranks[rank].held;
      else if (action.phase == Phase::Backward && weight != noAction)
        ranks[rank].waiting.push_back(weight);
      else if (action.phase == Phase::Backward)
        --ranks[rank].held;
    }
    decideAt(rank, end);
    // Those who wait for this action learn now when it ends.
    auto &list = waiters[rank];
    for (size_t i = 0; i < list.size();) {
      if (list[i].first != id) {
        ++i;
        continue;
      }
      decideAt(list[i].second, std::max(now, ranks[list[i].second].freeAt));
      list[i] = list.back();
      list.pop_back();
    }
    ranks[rank].freeAt = end;
  }

  void decideAt(uint32_t rank, double time) {
    ranks[rank].decision = time;
    decisions.emplace(time, rank);
  }

  const SplitProblem &split;
  const IdOrders &main;
  FillLimits limits;
  RankStates ranks;
  FilledOrders result;
  /// By rank: who waits for which of its actions.
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> waiters;
  /// (time, rank), earliest first, then the lower rank.
  std::priority_queue<std::pair<double, uint32_t>, std::vector<std::pair<double, uint32_t>>,
                      std::greater<>>
      decisions;
};

} // namespace

FilledOrders fillWeightGradients(const SplitProblem &split, const IdOrders &main,
                                 const FillLimits &limits) {
  return Filler(split, main, limits).run();
}

IdOrders weightGradientsAtOnce(const SplitProblem &split, const IdOrders &main) {
  IdOrders orders(main.size());
  for (uint32_t rank = 0; rank < main.size(); ++rank) {
    orders[rank].reserve(split.reference.orders[rank].size());
    for (uint32_t id : main[rank]) {
      orders[rank].push_back(id);
      const Action &action = split.actionOf(rank, id);
      if (action.component != Component::Llm || action.phase != Phase::Backward)
        continue;
      if (uint32_t weight = split.weightGradientOf(rank, action); weight != noAction)
        orders[rank].push_back(weight);
    }
  }
  return orders;
}

} // namespace bigmac::planning
