//===- OrderSearch.cpp - Place buffers one by one -------------------------===//

#include "OrderSearch.h"
#include "Packing.h"

#include <algorithm>

namespace bigmac::planning {

namespace {

/// Overlaps that may be visited for each step of effort: a second or so.
constexpr uint64_t visitsPerEffort = 12u << 20;
/// The local search ends after so many moves for each step of effort that lowered nothing.
constexpr uint64_t triesWithoutGain = 2000;

} // namespace

OrderSearch::OrderSearch(std::span<const Buffer> buffers, const std::vector<uint32_t> &active,
                         uint32_t effort, uint64_t goal, Placement &best)
    : buffers(buffers), active(active), effort(effort), goal(goal), best(best), overlaps(buffers),
      budget(effort * visitsPerEffort) {}

/// Places in `order`. Gives up above `limit`, or without budget: false.
bool OrderSearch::place(const std::vector<uint32_t> &order, uint64_t limit, uint64_t &peak) {
  overlaps.clear();
  offsets.assign(buffers.size(), 0);
  peak = 0;
  for (uint32_t i : order) {
    const Buffer &buffer = buffers[i];
    taken.clear();
    overlaps.visit(buffer.lower, buffer.upper, [&](uint32_t other) {
      taken.emplace_back(offsets[other], offsets[other] + buffers[other].size);
    });
    visits += taken.size() + 1;
    if (visits > budget)
      return false;
    std::sort(taken.begin(), taken.end());
    uint64_t offset = 0;
    for (auto [begin, end] : taken) {
      if (begin >= offset + buffer.size)
        break;
      if (end > offset)
        offset = alignUp(end, buffer.alignment);
    }
    offsets[i] = offset;
    peak = std::max(peak, offset + buffer.size);
    if (peak > limit)
      return false;
    overlaps.add(i);
  }
  return true;
}

/// Places in `order`; keeps the result if it is better.
void OrderSearch::improve(const std::vector<uint32_t> &order) {
  uint64_t peak = 0;
  if (!place(order, best.peak - 1, peak))
    return;
  best.peak = peak;
  best.offsets = offsets;
  bestOrder = order;
}

template <typename Key> std::vector<uint32_t> OrderSearch::sortedBy(Key key) const {
  std::vector<uint32_t> order = active;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    auto x = key(a), y = key(b);
    return x != y ? x > y : a < b;
  });
  return order;
}

void OrderSearch::tryOrders() {
  using Pair = std::pair<double, double>;
  auto size = [&](uint32_t i) { return static_cast<double>(buffers[i].size); };
  auto length = [&](uint32_t i) {
    return static_cast<double>(buffers[i].upper - buffers[i].lower);
  };
  auto birth = [&](uint32_t i) { return static_cast<double>(buffers[i].lower); };
  auto death = [&](uint32_t i) { return static_cast<double>(buffers[i].upper); };
  std::vector<std::vector<uint32_t>> orders;
  orders.push_back(sortedBy([&](uint32_t i) { return Pair(size(i) * length(i), size(i)); }));
  orders.push_back(sortedBy([&](uint32_t i) { return Pair(size(i), length(i)); }));
  orders.push_back(sortedBy([&](uint32_t i) { return Pair(length(i), size(i)); }));
  orders.push_back(sortedBy([&](uint32_t i) { return Pair(-birth(i), size(i)); }));
  orders.push_back(sortedBy([&](uint32_t i) { return Pair(death(i), size(i)); }));
  std::vector<uint64_t> contention = overlaps.liveBytesDuring();
  orders.push_back(sortedBy(
      [&](uint32_t i) { return Pair(static_cast<double>(contention[i]), size(i) * length(i)); }));
  for (const std::vector<uint32_t> &order : orders) {
    if (done() || visits > budget)
      return;
    improve(order);
  }
  if (bestOrder.empty())
    // None was better than what there was: by birth is the closest to an allocator's order.
    bestOrder = orders[3];
}

/// Moves a buffer that ends above the goal forward in the order, to a place drawn at random, and
/// keeps what is no worse: going sideways leads out of most dead ends.
void OrderSearch::improveByMoves() {
  uint64_t state = 0x9e3779b97f4a7c15u;
  auto draw = [&](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  uint64_t peak = 0;
  if (bestOrder.empty() || !place(bestOrder, ~uint64_t(0), peak))
    return;
  std::vector<uint32_t> order = bestOrder, candidate;
  std::vector<uint64_t> current = offsets;
  uint64_t currentPeak = peak;
  std::vector<size_t> high;
  const uint64_t patience = triesWithoutGain * effort;
  for (uint64_t tries = 0; tries < patience && !done() && visits < budget; ++tries) {
    // Mostly what reaches the peak, at times what is only above the goal.
    uint64_t above = draw(4) != 0 ? currentPeak - 1 : goal;
    high.clear();
    for (size_t p = 0; p < order.size(); ++p)
      if (current[order[p]] + buffers[order[p]].size > above)
        high.push_back(p);
    size_t from = high[draw(high.size())];
    size_t to = draw(from + 1);
    candidate = order;
    std::rotate(candidate.begin() + to, candidate.begin() + from, candidate.begin() + from + 1);
    if (!place(candidate, currentPeak, peak))
      continue;
    currentPeak = peak;
    std::swap(order, candidate);
    std::swap(current, offsets);
    if (peak < best.peak) {
      best.peak = peak;
      best.offsets = current;
      tries = 0;
    }
  }
}

} // namespace bigmac::planning
