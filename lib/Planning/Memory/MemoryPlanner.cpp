//===- MemoryPlanner.cpp - Lifetimes to offsets ---------------------------===//
//
// First the program's allocations are replayed in time with a best-fit free list, which is fast for
// any number of buffers. Then buffers are placed one by one in several orders. What that leaves
// above the bound is the work of the section search, or, where there are too many buffers for it,
// of a local search over orders.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Planning/MemoryPlanner.h"
#include "FreeList.h"
#include "OrderSearch.h"
#include "PackingSearch.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <tuple>

namespace bigmac::planning {

namespace {

/// Steps of the section search for each step of effort: a second or so. Where the goal is the live
/// bytes, which may be out of reach, a small problem is not worth that much.
constexpr uint64_t stepsPerEffort = 400'000'000;
constexpr uint64_t stepsPerBuffer = 1'000'000;
/// The section search's tables grow with the product of buffers and how many are alive at once;
/// and it recurses once for each buffer.
constexpr size_t mostSectionEntries = 4u << 20;
constexpr size_t mostSearched = 5000;

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

namespace {

/// Buffers that live alike, as one: a program's values often come and go together, and blocks of
/// them leave far less to search.
struct Blocks {
  std::vector<Buffer> blocks;
  /// By active buffer: its block, and where it is in the block.
  std::vector<std::pair<uint32_t, uint64_t>> places;
};

Blocks blocksOf(std::span<const Buffer> buffers, const std::vector<uint32_t> &active) {
  std::vector<uint32_t> order(active.size());
  std::iota(order.begin(), order.end(), 0u);
  // The most aligned first: less is lost between them.
  auto key = [&](uint32_t item) {
    const Buffer &buffer = buffers[active[item]];
    return std::make_tuple(buffer.lower, buffer.upper, ~buffer.alignment, item);
  };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
  Blocks result;
  result.places.resize(active.size());
  for (uint32_t item : order) {
    const Buffer &buffer = buffers[active[item]];
    if (result.blocks.empty() || result.blocks.back().lower != buffer.lower ||
        result.blocks.back().upper != buffer.upper)
      result.blocks.push_back({buffer.lower, buffer.upper, 0, buffer.alignment});
    Buffer &block = result.blocks.back();
    uint64_t offset = alignUp(block.size, buffer.alignment);
    result.places[item] = {result.blocks.size() - 1, offset};
    block.size = offset + buffer.size;
  }
  return result;
}

class Planner {
public:
  Planner(std::span<const Buffer> buffers, const PlacementOptions &options)
      : buffers(buffers), options(options) {
    best.offsets.assign(buffers.size(), 0);
    best.lowerBound = best.leastPeak = maxLiveBytes(buffers);
    for (uint32_t i = 0; i < buffers.size(); ++i)
      if (needsSpace(buffers[i]))
        active.push_back(i);
    goal = std::max(best.lowerBound, options.capacity ? *options.capacity : roundedLiveBytes());
  }

  Placement run() {
    if (active.empty())
      return std::move(best);
    best.offsets = placeInTime(buffers, active, best.peak);
    if (options.effort == 0 || best.peak <= goal)
      return std::move(best);
    OrderSearch orders(buffers, active, options.effort, goal, best);
    orders.tryOrders();
    Blocks blocks = blocksOf(buffers, active);
    if (best.peak > goal && blocks.blocks.size() < active.size())
      searchBlocks(blocks);
    if (best.peak > goal && !searchSections())
      orders.improveByMoves();
    return std::move(best);
  }

private:
  /// The live bytes, with sizes rounded up to what every offset is a multiple of: less than that is
  /// saved below it.
  uint64_t roundedLiveBytes() const {
    uint64_t granule = ~uint64_t(0);
    for (uint32_t i : active)
      granule = std::min(granule, buffers[i].alignment);
    std::vector<Buffer> rounded;
    for (uint32_t i : active) {
      rounded.push_back(buffers[i]);
      rounded.back().size = alignUp(buffers[i].size, granule);
    }
    return maxLiveBytes(rounded);
  }

  uint64_t stepsFor(size_t count) const {
    uint64_t steps = stepsPerEffort;
    if (!options.capacity)
      steps = std::min(steps, stepsPerBuffer * count);
    return options.effort * steps;
  }

  void searchBlocks(const Blocks &blocks) {
    std::vector<uint32_t> all(blocks.blocks.size());
    std::iota(all.begin(), all.end(), 0u);
    std::optional<Packing> packing;
    if (all.size() <= mostSearched)
      packing = packingOf(blocks.blocks, all, mostSectionEntries);
    if (!packing)
      return;
    // Blocks may need more than the capacity where their buffers do not.
    PackingSearch search(*packing, stepsFor(all.size()) / (options.capacity ? 16 : 1));
    if (!search.improve(best.peak, goal))
      return;
    best.peak = search.peak();
    for (size_t item = 0; item < active.size(); ++item)
      best.offsets[active[item]] =
          search.offsets()[blocks.places[item].first] + blocks.places[item].second;
  }

  /// False where there are too many buffers.
  bool searchSections() {
    std::optional<Packing> packing;
    if (active.size() <= mostSearched)
      packing = packingOf(buffers, active, mostSectionEntries);
    if (!packing)
      return false;
    PackingSearch search(*packing, stepsFor(active.size()));
    if (search.improve(best.peak, goal)) {
      best.peak = search.peak();
      for (size_t item = 0; item < active.size(); ++item)
        best.offsets[active[item]] = search.offsets()[item];
    }
    best.leastPeak = search.bound();
    return true;
  }

  std::span<const Buffer> buffers;
  const PlacementOptions &options;
  /// Buffers that need space.
  std::vector<uint32_t> active;
  uint64_t goal = 0;
  Placement best;
};

} // namespace

Result<Placement> placeBuffers(std::span<const Buffer> buffers, const PlacementOptions &options) {
  if (Status status = checkBuffers(buffers); !status)
    return status.error();
  return Planner(buffers, options).run();
}

} // namespace bigmac::planning
