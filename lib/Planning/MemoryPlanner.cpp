//===- MemoryPlanner.cpp - Lifetimes to offsets ---------------------------===//
//
// Buffers are placed one by one, each at the lowest place that is free during its whole lifetime.
// The order decides how good that is: several are tried, and the best is improved by moving the
// buffers that reach the peak forward. One more try replays the program's allocations in time with
// a best-fit free list, which is fast for any number of buffers.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Planning/MemoryPlanner.h"
#include "FreeList.h"
#include "OverlapIndex.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace bigmac::planning {

namespace {

/// Overlaps that may be visited for each step of effort: a second or so.
constexpr uint64_t visitsPerEffort = 12u << 20;
/// The local search ends after so many moves for each step of effort that lowered nothing.
constexpr uint64_t triesWithoutGain = 2000;

uint64_t alignUp(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

bool needsSpace(const Buffer &buffer) { return buffer.size > 0 && buffer.lower < buffer.upper; }

Status checkBuffers(std::span<const Buffer> buffers) {
  constexpr uint64_t most = uint64_t(1) << 62;
  uint64_t total = 0;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer &buffer = buffers[i];
    std::string name = "buffer " + std::to_string(i);
    if (buffer.lower > buffer.upper)
      return Error{name + ": its lifetime ends at " + std::to_string(buffer.upper) +
                   ", before it starts at " + std::to_string(buffer.lower)};
    if (buffer.alignment == 0 || (buffer.alignment & (buffer.alignment - 1)) != 0 ||
        buffer.alignment > most)
      return Error{name + ": its alignment " + std::to_string(buffer.alignment) +
                   " is not a power of two"};
    if (buffer.size > most - total || buffer.alignment > most - total - buffer.size)
      return Error{name + ": the sizes up to it add up to more than 2^62 bytes"};
    total += buffer.size + buffer.alignment;
  }
  if (buffers.size() >= noBuffer)
    return Error{"there are " + std::to_string(buffers.size()) + " buffers, too many"};
  return Status::success();
}

class Planner {
public:
  Planner(std::span<const Buffer> buffers, const PlacementOptions &options)
      : buffers(buffers), options(options), overlaps(buffers) {
    best.offsets.assign(buffers.size(), 0);
    best.lowerBound = maxLiveBytes(buffers);
    for (uint32_t i = 0; i < buffers.size(); ++i)
      if (needsSpace(buffers[i]))
        active.push_back(i);
    goal = std::max(best.lowerBound, options.capacity.value_or(0));
    budget = std::max<uint64_t>(1, options.effort) * visitsPerEffort;
  }

  Placement run() {
    if (active.empty())
      return std::move(best);
    best.offsets = placeInTime(buffers, active, best.peak);
    if (options.effort > 0)
      tryOrders();
    return std::move(best);
  }

private:
  bool done() const { return best.peak <= goal; }

  uint64_t duration(uint32_t i) const { return buffers[i].upper - buffers[i].lower; }

  /// Places in `order`. Gives up above `limit`, or without budget: false.
  bool place(const std::vector<uint32_t> &order, uint64_t limit, std::vector<uint64_t> &offsets,
             uint64_t &peak) {
    overlaps.clear();
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
  bool improve(const std::vector<uint32_t> &order) {
    scratch.assign(buffers.size(), 0);
    uint64_t peak = 0;
    if (!place(order, best.peak - 1, scratch, peak))
      return false;
    best.peak = peak;
    best.offsets = scratch;
    bestOrder = order;
    return true;
  }

  template <typename Key> std::vector<uint32_t> sortedBy(Key key) const {
    std::vector<uint32_t> order = active;
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      auto x = key(a), y = key(b);
      return x != y ? x > y : a < b;
    });
    return order;
  }

  void tryOrders() {
    using Pair = std::pair<double, double>;
    auto size = [&](uint32_t i) { return static_cast<double>(buffers[i].size); };
    auto length = [&](uint32_t i) { return static_cast<double>(duration(i)); };
    std::vector<std::vector<uint32_t>> orders;
    orders.push_back(sortedBy([&](uint32_t i) { return Pair(size(i) * length(i), size(i)); }));
    orders.push_back(sortedBy([&](uint32_t i) { return Pair(size(i), length(i)); }));
    orders.push_back(sortedBy([&](uint32_t i) { return Pair(length(i), size(i)); }));
    orders.push_back(sortedBy(
        [&](uint32_t i) { return Pair(-static_cast<double>(buffers[i].lower), size(i)); }));
    orders.push_back(
        sortedBy([&](uint32_t i) { return Pair(static_cast<double>(buffers[i].upper), size(i)); }));
    std::vector<uint64_t> contention = overlaps.liveBytesDuring();
    orders.push_back(sortedBy(
        [&](uint32_t i) { return Pair(static_cast<double>(contention[i]), size(i) * length(i)); }));
    for (const std::vector<uint32_t> &order : orders) {
      if (done() || visits > budget)
        return;
      improve(order);
    }
    if (bestOrder.empty())
      // The replay in time was best; it places by address at the time of birth, so search from that
      // order.
      bestOrder = orders[3];
    localSearch();
  }

  /// Moves a buffer that ends above the goal forward in the order, to a place drawn at random, and
  /// keeps what is no worse: going sideways leads out of most dead ends.
  void localSearch() {
    uint64_t state = 0x9e3779b97f4a7c15u;
    auto draw = [&](uint64_t below) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % below;
    };
    scratch.assign(buffers.size(), 0);
    uint64_t peak = 0;
    if (!place(bestOrder, ~uint64_t(0), scratch, peak))
      return;
    std::vector<uint32_t> order = bestOrder, candidate;
    std::vector<uint64_t> offsets = scratch;
    uint64_t current = peak;
    std::vector<size_t> high;
    const uint64_t patience = triesWithoutGain * std::max(1u, options.effort);
    for (uint64_t tries = 0; tries < patience && !done() && visits < budget; ++tries) {
      // Mostly what reaches the peak, at times what is only above the goal.
      uint64_t above = draw(4) != 0 ? current - 1 : goal;
      high.clear();
      for (size_t p = 0; p < order.size(); ++p)
        if (offsets[order[p]] + buffers[order[p]].size > above)
          high.push_back(p);
      size_t from = high[draw(high.size())];
      size_t to = draw(from + 1);
      candidate = order;
      std::rotate(candidate.begin() + to, candidate.begin() + from, candidate.begin() + from + 1);
      if (!place(candidate, current, scratch, peak))
        continue;
      current = peak;
      std::swap(order, candidate);
      std::swap(offsets, scratch);
      if (peak < best.peak) {
        best.peak = peak;
        best.offsets = offsets;
        tries = 0;
      }
    }
  }

  std::span<const Buffer> buffers;
  const PlacementOptions &options;
  OverlapIndex overlaps;
  /// Buffers that need space.
  std::vector<uint32_t> active;
  Placement best;
  std::vector<uint32_t> bestOrder;
  uint64_t goal = 0;
  uint64_t budget = 0;
  uint64_t visits = 0;
  std::vector<uint64_t> scratch;
  std::vector<std::pair<uint64_t, uint64_t>> taken;
};

} // namespace

uint64_t maxLiveBytes(std::span<const Buffer> buffers) {
  std::vector<std::pair<uint64_t, uint64_t>> births, deaths;
  for (const Buffer &buffer : buffers) {
    if (!needsSpace(buffer))
      continue;
    births.emplace_back(buffer.lower, buffer.size);
    deaths.emplace_back(buffer.upper, buffer.size);
  }
  std::sort(births.begin(), births.end());
  std::sort(deaths.begin(), deaths.end());
  uint64_t live = 0, most = 0;
  size_t dead = 0;
  for (auto [time, size] : births) {
    for (; dead < deaths.size() && deaths[dead].first <= time; ++dead)
      live -= deaths[dead].second;
    live += size;
    most = std::max(most, live);
  }
  return most;
}

Result<Placement> placeBuffers(std::span<const Buffer> buffers, const PlacementOptions &options) {
  if (Status status = checkBuffers(buffers); !status)
    return status.error();
  return Planner(buffers, options).run();
}

} // namespace bigmac::planning
