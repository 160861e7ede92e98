//===- PackingSearch.cpp - The lowest peak of a packing -------------------===//

#include "PackingSearch.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace bigmac::planning {

namespace {

/// Orders of answers that differ in kind; later runs vary these at random.
constexpr unsigned orderKinds = 4;
/// Runs before a search is given more time a run.
constexpr unsigned runsOfLength = 12;

} // namespace

PackingSearch::PackingSearch(const Packing &packing, uint64_t steps)
    : packing(packing), search(packing), allSteps(steps) {
  pressure.assign(packing.items.size(), 0);
  for (size_t s = 0; s < packing.sections.size(); ++s) {
    uint64_t bytes = 0;
    for (uint32_t item : packing.sections[s])
      bytes += packing.items[item].size;
    for (uint32_t item : packing.sections[s]) {
      pressure[item] = std::max(pressure[item], bytes);
    }
    leastPeak = std::max(leastPeak, bytes);
  }
}

/// Ranks of the items in the given run.
std::vector<uint32_t> PackingSearch::orderOf(unsigned run) {
  using Key = std::array<double, 3>;
  std::vector<Key> keys;
  for (uint32_t item = 0; item < packing.items.size(); ++item) {
    // As numbers: a product of lifetimes and sizes may not fit in 64 bits.
    double width = static_cast<double>(packing.items[item].width);
    double area = width * static_cast<double>(packing.items[item].size);
    double most = static_cast<double>(pressure[item]);
    switch (run % orderKinds) {
    case 0:
      keys.push_back({width, area, most});
      break;
    case 1:
      keys.push_back({most, area, width});
      break;
    case 2:
      keys.push_back({most, width, area});
      break;
    default:
      keys.push_back({area, width, most});
    }
  }
  std::vector<uint32_t> order(packing.items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return keys[a] != keys[b] ? keys[a] > keys[b] : a < b; });
  if (run >= 2 * orderKinds) {
    // Moves items back by up to a third of their place.
    uint64_t state = 0x9e3779b97f4a7c15u * (run + 1);
    std::vector<uint64_t> place(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      place[order[i]] = i * (1024 + (state >> 33) % 342);
    }
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return std::pair(place[a], a) < std::pair(place[b], b);
    });
  }
  std::vector<uint32_t> rank(order.size());
  for (uint32_t i = 0; i < order.size(); ++i)
    rank[order[i]] = i;
  return rank;
}

SectionSearch::Outcome PackingSearch::fit(uint64_t capacity, uint64_t steps) {
  const uint64_t end = search.steps() + steps;
  // A run that meets no dead end asks about as many questions as there are items.
  const uint64_t nodes = 500 + 3 * packing.items.size();
  for (unsigned run = 0; search.steps() < end; ++run) {
    bool weighted = run / orderKinds % 2 == 1;
    SectionSearch::Outcome outcome =
        search.run({capacity, nodes * (1 + run / runsOfLength)}, orderOf(run), weighted);
    if (outcome != SectionSearch::Outcome::GaveUp)
      return outcome;
  }
  return SectionSearch::Outcome::GaveUp;
}

bool PackingSearch::tryFor(uint64_t capacity, uint64_t steps) {
  switch (fit(capacity, steps)) {
  case SectionSearch::Outcome::Found:
    best = search.offsets();
    bestPeak = 0;
    for (size_t i = 0; i < best.size(); ++i)
      bestPeak = std::max(bestPeak, best[i] + packing.items[i].size);
    return true;
  case SectionSearch::Outcome::Impossible:
    leastPeak = std::max(leastPeak, capacity + 1);
    return false;
  case SectionSearch::Outcome::GaveUp:
    return false;
  }
  return false;
}

bool PackingSearch::improve(uint64_t peak, uint64_t goal) {
  const uint64_t before = bestPeak = peak;
  const bool capacity = goal > leastPeak;
  goal = std::max(goal, leastPeak);
  auto left = [&] { return allSteps - std::min(allSteps, search.steps()); };
  // What fits is what matters; how well it fits, if not, comes after.
  if (capacity && bestPeak > goal)
    tryFor(goal, allSteps / 4 * 3);
  // Closes in on the least peak that is soon found.
  uint64_t failed = goal - 1;
  while (bestPeak > std::max(goal, leastPeak) && left() > 0) {
    failed = std::max(failed, leastPeak - 1);
    if (bestPeak - failed <= 1 + bestPeak / 512)
      break;
    uint64_t target = failed + (bestPeak - failed) / 2;
    if (!tryFor(target, left() / 4))
      failed = target;
  }
  if (!capacity && bestPeak > std::max(goal, leastPeak) && left() > 0)
    tryFor(std::max(goal, leastPeak), left());
  return bestPeak < before;
}

} // namespace bigmac::planning
