//===- GapFiller.cpp - Deferrable work into the gaps of an order ----------===//

#include "GapFiller.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace bigmac::planning {

namespace {

constexpr double unknown = std::numeric_limits<double>::infinity();
/// How far a rank looks through actions that have not started to see how long its gap is at least.
constexpr unsigned lookAhead = 4;

bool isWeightGradient(const Action &action) { return action.phase == Phase::WeightGradient; }

} // namespace

FilledOrders GapFiller::run(const IdOrders &order, const FillPolicy &fillPolicy) {
  main = &order;
  policy = fillPolicy;
  const uint32_t count = split.reference.ranks;
  ranks.assign(count, Rank());
  result = FilledOrders();
  result.orders.resize(count);
  result.finish.assign(split.graph.size(), -1.0);
  decisions.clear();
  for (uint32_t rank = 0; rank < count; ++rank) {
    result.orders[rank].reserve(split.reference.orders[rank].size());
    if (split.workload.hasEncoder)
      for (uint32_t id : order[rank])
        if (const Action &action = split.actionOf(rank, id);
            action.component == Component::Encoder && action.phase == Phase::Forward)
          ranks[rank].forwards.push_back(id);
    decideAt(rank, 0);
  }
  while (!decisions.empty()) {
    auto [time, rank] = decisions.front();
    std::pop_heap(decisions.begin(), decisions.end(), std::greater<>());
    decisions.pop_back();
    // A rank that was woken twice has only its latest decision pending.
    if (ranks[rank].decision == time)
      decide(rank, time);
  }
  uint64_t ran = 0;
  for (const std::vector<uint32_t> &ids : result.orders)
    ran += ids.size();
  result.complete = ran == split.graph.size() && result.makespan < unknown;
  return std::move(result);
}

double GapFiller::readyAt(uint32_t id, uint32_t &missing) const {
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

double GapFiller::earliest(uint32_t id, double now, unsigned depth) const {
  double time = now;
  for (Edge edge : split.graph.producers(id)) {
    double end = result.finish[edge.producer];
    if (end < 0) {
      end = std::max(now, ranks[split.graph.rankOf(edge.producer)].freeAt);
      if (depth > 0)
        end = std::max(end, earliest(edge.producer, now, depth - 1));
      end += split.seconds[edge.producer];
    }
    time = std::max(time, end + edge.hops * split.problem->costs.transfer);
  }
  return time;
}

void GapFiller::decide(uint32_t rank, double now) {
  Rank &state = ranks[rank];
  const std::vector<uint32_t> &order = (*main)[rank];
  while (state.forwardsRun < state.forwards.size() &&
         result.finish[state.forwards[state.forwardsRun]] >= 0)
    ++state.forwardsRun;
  for (; state.next < order.size(); ++state.next) {
    uint32_t id = order[state.next];
    if (result.finish[id] >= 0)
      continue;
    const Action &action = split.actionOf(rank, id);
    bool late = policy.lateBackwards && action.component == Component::Encoder &&
                action.phase == Phase::Backward && state.forwardsRun == state.forwards.size();
    if (!late)
      break;
    state.late.push_back(id);
  }
  if (state.next == order.size()) {
    finishRank(rank, now);
    return;
  }
  const uint32_t id = order[state.next];
  const Action &head = split.actionOf(rank, id);
  if (mustReduce(rank, head)) {
    if (state.waiting() > 0) {
      runWeight(rank, now);
      return;
    }
    if (runLate(rank, now, unknown))
      return;
  }
  uint32_t missing = noAction;
  double ready = readyAt(id, missing);
  if (ready <= now) {
    ++state.next;
    start(rank, id, now);
    return;
  }
  double gap = (ready == unknown ? earliest(id, now, lookAhead) : ready) - now;
  if (fillGap(rank, now, gap))
    return;
  if (ready != unknown)
    decideAt(rank, ready);
  else
    waitFor(rank, missing);
}

bool GapFiller::mustReduce(uint32_t rank, const Action &head) const {
  const Rank &state = ranks[rank];
  if (state.waiting() == 0 && state.late.empty())
    return false;
  if (policy.bytes && state.bytes + bytesBefore(rank, head) > int64_t(*policy.bytes))
    return true;
  if (head.component != Component::Llm)
    return false;
  if (head.phase == Phase::Backward) {
    if (policy.bytes && state.bytes + bytesAfter(rank, head) > int64_t(*policy.bytes))
      return true;
    return state.waiting() > 0 && state.waiting() >= policy.waiting &&
           split.hasWeightGradient(rank, head);
  }
  return state.waiting() > 0 && state.held >= policy.held;
}

bool GapFiller::fillGap(uint32_t rank, double now, double gap) {
  Rank &state = ranks[rank];
  auto fits = [&](uint32_t id) { return gap >= policy.share * split.seconds[id]; };
  if (state.forwardsRun < state.forwards.size() && state.aliveUnits < policy.earlyUnits) {
    uint32_t id = state.forwards[state.forwardsRun];
    uint32_t missing = noAction;
    const Action &action = split.actionOf(rank, id);
    if (fits(id) && readyAt(id, missing) <= now &&
        !(policy.bytes && state.bytes + bytesBefore(rank, action) > int64_t(*policy.bytes))) {
      start(rank, id, now);
      return true;
    }
  }
  if (runLate(rank, now, gap))
    return true;
  if (state.waiting() > 0 && fits(state.weights[state.weightsRun])) {
    runWeight(rank, now);
    return true;
  }
  return false;
}

void GapFiller::finishRank(uint32_t rank, double now) {
  Rank &state = ranks[rank];
  if (runLate(rank, now, unknown))
    return;
  if (state.waiting() > 0) {
    runWeight(rank, now);
    return;
  }
  state.decision = unknown;
  if (state.late.empty())
    return;
  uint32_t missing = noAction;
  if (double ready = readyAt(state.late.front(), missing); ready != unknown)
    decideAt(rank, ready);
  else
    waitFor(rank, missing);
}

void GapFiller::waitFor(uint32_t rank, uint32_t missing) {
  ranks[rank].decision = unknown;
  ranks[split.graph.rankOf(missing)].waiters.emplace_back(missing, rank);
}

void GapFiller::runWeight(uint32_t rank, double now) {
  Rank &state = ranks[rank];
  uint32_t id = state.weights[state.weightsRun++];
  uint32_t missing = noAction;
  start(rank, id, std::max(now, readyAt(id, missing)));
}

bool GapFiller::runLate(uint32_t rank, double now, double gap) {
  Rank &state = ranks[rank];
  for (size_t i = 0; i < state.late.size(); ++i) {
    uint32_t id = state.late[i], missing = noAction;
    if (gap < policy.share * split.seconds[id] || readyAt(id, missing) > now)
      continue;
    state.late.erase(state.late.begin() + static_cast<ptrdiff_t>(i));
    start(rank, id, now);
    return true;
  }
  return false;
}

void GapFiller::start(uint32_t rank, uint32_t id, double now) {
  Rank &state = ranks[rank];
  const double end = now + split.seconds[id];
  result.finish[id] = end;
  result.makespan = std::max(result.makespan, end);
  result.orders[rank].push_back(id);
  account(state, rank, id, split.actionOf(rank, id));
  state.freeAt = end;
  decideAt(rank, end);
  // Those who wait for this action learn now when it ends.
  for (size_t i = 0; i < state.waiters.size();) {
    auto [awaited, waiter] = state.waiters[i];
    if (awaited != id) {
      ++i;
      continue;
    }
    decideAt(waiter, std::max(now, ranks[waiter].freeAt));
    state.waiters[i] = state.waiters.back();
    state.waiters.pop_back();
  }
}

void GapFiller::account(Rank &state, uint32_t rank, uint32_t id, const Action &action) {
  if (policy.bytes)
    state.bytes += bytesBefore(rank, action) + bytesAfter(rank, action);
  if (action.component == Component::Encoder) {
    state.aliveUnits += action.phase == Phase::Forward ? 1 : -1;
    return;
  }
  if (action.component != Component::Llm)
    return;
  if (action.phase == Phase::Forward) {
    state.held += split.hasBackward(rank, action);
  } else if (action.phase == Phase::Backward && split.hasWeightGradient(rank, action)) {
    state.weights.push_back(split.weightGradientOf(id));
  } else {
    --state.held;
  }
}

int64_t GapFiller::bytesBefore(uint32_t rank, const Action &action) const {
  const ActivationBytes &bytes = *split.problem->costs.activationBytes;
  if (action.component == Component::Encoder)
    // A frozen encoder's unit dies with its last use, which is checked on the whole schedule.
    return action.phase == Phase::Forward && split.workload.encoderBackward ? int64_t(bytes.encoder)
                                                                            : 0;
  if (action.component == Component::Generator)
    return action.phase != Phase::Backward ? int64_t(bytes.generator) : 0;
  return action.phase == Phase::Forward && split.hasBackward(rank, action)
             ? int64_t(bytes.llm.at(split.workload.stageOf(rank, action.chunk)))
             : 0;
}

int64_t GapFiller::bytesAfter(uint32_t rank, const Action &action) const {
  const ActivationBytes &bytes = *split.problem->costs.activationBytes;
  if (action.component == Component::Encoder)
    return action.phase == Phase::Backward ? -int64_t(bytes.encoder) : 0;
  if (action.component == Component::Generator)
    return action.phase != Phase::Forward ? -int64_t(bytes.generator) : 0;
  const uint32_t stage = split.workload.stageOf(rank, action.chunk);
  if (isWeightGradient(action))
    return -int64_t(bytes.weightGradient.at(stage));
  if (action.phase == Phase::Forward)
    return 0;
  int64_t waits =
      split.hasWeightGradient(rank, action) ? int64_t(bytes.weightGradient.at(stage)) : 0;
  return waits - int64_t(bytes.llm.at(stage));
}

void GapFiller::decideAt(uint32_t rank, double time) {
  ranks[rank].decision = time;
  decisions.emplace_back(time, rank);
  std::push_heap(decisions.begin(), decisions.end(), std::greater<>());
}

IdOrders weightGradientsAtOnce(const SplitProblem &split, const IdOrders &main) {
  IdOrders orders(main.size());
  for (uint32_t rank = 0; rank < main.size(); ++rank) {
    orders[rank].reserve(split.reference.orders[rank].size());
    for (uint32_t id : main[rank]) {
      orders[rank].push_back(id);
      const Action &action = split.actionOf(rank, id);
      if (action.component == Component::Llm && action.phase == Phase::Backward &&
          split.hasWeightGradient(rank, action))
        orders[rank].push_back(split.weightGradientOf(id));
    }
  }
  return orders;
}

} // namespace bigmac::planning
