//===- OrderRefiner.cpp - Improves orders along the critical path ---------===//

#include "OrderRefiner.h"

#include <algorithm>
#include <random>
#include <utility>

namespace bigmac::planning {

namespace {

/// Changes after which a makespan is compared with.
constexpr size_t historyLength = 64;
constexpr double tolerance = 1e-9;

void moveWithin(std::vector<uint32_t> &order, size_t from, size_t to) {
  auto at = [&](size_t i) { return order.begin() + static_cast<ptrdiff_t>(i); };
  if (from < to)
    std::rotate(at(from), at(from + 1), at(to + 1));
  else
    std::rotate(at(to), at(from), at(from + 1));
}

} // namespace

RankPeaks peaksOf(const SplitProblem &split, uint32_t rank, const std::vector<uint32_t> &order) {
  const ActivationBytes *bytes =
      split.problem->costs.activationBytes ? &*split.problem->costs.activationBytes : nullptr;
  RankPeaks most, now;
  for (uint32_t id : order) {
    const Action &action = split.actionOf(rank, id);
    int64_t released = 0;
    if (action.component == Component::Encoder) {
      const bool forward = action.phase == Phase::Forward;
      now.units += forward ? 1 : -1;
      if (bytes && forward && split.workload.encoderBackward)
        now.bytes += int64_t(bytes->encoder);
      else if (bytes && !forward)
        released = int64_t(bytes->encoder);
    } else if (action.component == Component::Generator) {
      released = bytes ? int64_t(bytes->generator) : 0;
      now.bytes += released;
    } else {
      const uint32_t stage = split.workload.stageOf(rank, action.chunk);
      const int64_t activation = bytes ? int64_t(bytes->llm.at(stage)) : 0;
      const int64_t waits = bytes ? int64_t(bytes->weightGradient.at(stage)) : 0;
      if (action.phase == Phase::Forward && split.hasBackward(rank, action)) {
        ++now.chunks;
        now.bytes += activation;
      } else if (action.phase == Phase::Backward && split.hasWeightGradient(rank, action)) {
        ++now.waiting;
        now.bytes += waits - activation;
      } else if (action.phase == Phase::Backward) {
        --now.chunks;
        released = activation;
      } else if (action.phase == Phase::WeightGradient) {
        --now.chunks;
        --now.waiting;
        released = waits;
      }
    }
    most.chunks = std::max(most.chunks, now.chunks);
    most.waiting = std::max(most.waiting, now.waiting);
    most.units = std::max(most.units, now.units);
    most.bytes = std::max(most.bytes, now.bytes);
    now.bytes -= released;
  }
  return most;
}

bool OrderRefiner::keepsLimits(uint32_t rank, const std::vector<uint32_t> &order) const {
  RankPeaks peaks = peaksOf(split, rank, order);
  return peaks.chunks <= allowed.chunks && peaks.waiting <= allowed.waiting &&
         (peaks.units <= allowed.units || !split.workload.encoderBackward) &&
         peaks.bytes <= allowed.bytes;
}

bool OrderRefiner::mayPass(uint32_t rank, const std::vector<uint32_t> &order, size_t from,
                           size_t to) const {
  const uint32_t id = order[from];
  const Action &action = split.actionOf(rank, id);
  const size_t step = from < to ? 1 : ~size_t(0);
  for (size_t i = from; i != to;) {
    i += step;
    const Action &passed = split.actionOf(rank, order[i]);
    if (passed.component == action.component && passed.phase == action.phase &&
        passed.chunk == action.chunk)
      return false;
    // Later on the same rank: the passed one may be its producer, or its consumer.
    const uint32_t earlier = from < to ? id : order[i], later = from < to ? order[i] : id;
    for (Edge edge : split.graph.producers(later))
      if (edge.producer == earlier)
        return false;
  }
  return true;
}

std::vector<OrderRefiner::Move> OrderRefiner::movesOnCriticalPath(const IdOrders &orders) const {
  // From the last action back to time 0. A run is a stretch of one rank's order whose actions
  // follow each other without a pause.
  std::vector<Move> moves;
  const double close = tolerance * runner.makespan;
  std::vector<uint32_t> positionOf(split.graph.size());
  uint32_t last = noAction;
  for (const std::vector<uint32_t> &order : orders)
    for (size_t i = 0; i < order.size(); ++i) {
      positionOf[order[i]] = static_cast<uint32_t>(i);
      if (last == noAction || runner.finish[order[i]] > runner.finish[last])
        last = order[i];
    }
  uint32_t id = last;
  while (id != noAction) {
    const uint32_t rank = split.graph.rankOf(id);
    const std::vector<uint32_t> &order = orders[rank];
    const size_t end = positionOf[id];
    size_t begin = end;
    uint32_t next = noAction;
    for (;; --begin) {
      const uint32_t now = order[begin];
      const double start = runner.finish[now] - split.seconds[now];
      for (Edge edge : split.graph.producers(now))
        if (edge.hops > 0 &&
            runner.finish[edge.producer] + edge.hops * split.problem->costs.transfer >=
                start - close)
          next = edge.producer;
      if (next != noAction || begin == 0 || runner.finish[order[begin - 1]] < start - close)
        break;
    }
    for (size_t i = begin; i < end; ++i) {
      moves.push_back({rank, i + 1, i});
      moves.push_back({rank, i + 1, begin});
      moves.push_back({rank, i, end});
    }
    id = next;
  }
  return moves;
}

double OrderRefiner::refine(IdOrders &orders, double goal, uint64_t budget) {
  const double transfer = split.problem->costs.transfer;
  uint64_t timed = 0;
  auto run = [&] {
    bool complete = runner.run(split.graph, orders, split.seconds, transfer);
    timed += runner.ran;
    return complete;
  };
  if (!run())
    return runner.makespan;
  double current = runner.makespan, best = current;
  IdOrders bestOrders = orders;
  std::vector<double> history(historyLength, current);
  std::vector<Move> moves = movesOnCriticalPath(orders);
  std::mt19937_64 random(1);
  for (uint64_t step = 0; timed < budget && best > goal * (1 + tolerance) && !moves.empty();
       ++step) {
    const size_t drawn = random() % moves.size();
    const Move move = moves[drawn];
    std::swap(moves[drawn], moves.back());
    moves.pop_back();
    timed += orders[move.rank].size();
    std::vector<uint32_t> &order = orders[move.rank];
    if (move.from == move.to || !mayPass(move.rank, order, move.from, move.to))
      continue;
    moveWithin(order, move.from, move.to);
    double &late = history[step % historyLength];
    const bool accepted = keepsLimits(move.rank, order) && run() &&
                          (runner.makespan <= current || runner.makespan <= late);
    if (!accepted) {
      moveWithin(order, move.to, move.from);
      late = std::min(late, current);
      continue;
    }
    current = runner.makespan;
    late = std::min(late, current);
    moves = movesOnCriticalPath(orders);
    if (current < best * (1 - tolerance)) {
      best = current;
      bestOrders = orders;
    }
  }
  orders = std::move(bestOrders);
  return best;
}

} // namespace bigmac::planning
