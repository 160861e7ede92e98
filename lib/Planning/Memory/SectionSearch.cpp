//===- SectionSearch.cpp - Fit a packing into a capacity ------------------===//

#include "SectionSearch.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace bigmac::planning {

namespace {

constexpr uint64_t never = ~uint64_t(0);
constexpr uint32_t none = ~uint32_t(0);
/// Of the recursion: some megabytes of stack.
constexpr uint32_t maxDepth = 8000;

} // namespace

SectionSearch::SectionSearch(const Packing &packing) : packing(packing) {
  const size_t count = packing.items.size();
  std::vector<std::vector<uint32_t>> sections(count);
  for (uint32_t s = 0; s < packing.sections.size(); ++s)
    for (uint32_t item : packing.sections[s])
      sections[item].push_back(s);
  std::vector<uint32_t> seenBy(count, ~0u), others;
  std::map<std::tuple<uint64_t, uint64_t, std::vector<uint32_t>>, uint32_t> kinds;
  for (uint32_t item = 0; item < count; ++item) {
    others.clear();
    for (uint32_t s : sections[item])
      for (uint32_t other : packing.sections[s])
        if (other != item && seenBy[other] != item) {
          seenBy[other] = item;
          others.push_back(other);
        }
    neighbours.append(others);
    sectionsOf.append(sections[item]);
    auto key = std::make_tuple(packing.items[item].size, packing.items[item].alignment,
                               std::move(sections[item]));
    alike.push_back(kinds.emplace(std::move(key), item).first->second);
  }
  weight.assign(packing.sections.size(), 1);
  isTouched.assign(packing.sections.size(), 0);
  sectionMark.assign(packing.sections.size(), 0);
  itemMark.assign(count, 0);
  leastFloor.assign(count, 0);
}

void SectionSearch::reset() {
  floor.assign(packing.sections.size(), 0);
  remaining.assign(packing.sections.size(), 0);
  open.assign(packing.sections.size(), 0);
  for (uint32_t s = 0; s < packing.sections.size(); ++s)
    for (uint32_t item : packing.sections[s]) {
      remaining[s] += packing.items[item].size;
      ++open[s];
    }
  lowest.assign(packing.items.size(), 0);
  placed.assign(packing.items.size(), 0);
  changes.clear();
  candidates.clear();
  nodes = 0;
  depth = 0;
  gaveUp = false;
}

SectionSearch::Outcome SectionSearch::run(const Limits &with, std::span<const uint32_t> order,
                                          bool byWeight) {
  limits = with;
  rank = order;
  weighted = byWeight;
  reset();
  for (uint64_t bytes : remaining)
    if (bytes > limits.capacity)
      return Outcome::Impossible;
  listed.resize(packing.items.size() + packing.sections.size());
  std::iota(listed.begin(), listed.begin() + packing.items.size(), 0u);
  std::iota(listed.begin() + packing.items.size(), listed.end(), 0u);
  if (solve({0, packing.items.size(), listed.size()}))
    return Outcome::Found;
  return gaveUp ? Outcome::GaveUp : Outcome::Impossible;
}

void SectionSearch::setFloor(uint32_t section, uint64_t to) {
  changes.push_back({Change::Floor, section, floor[section]});
  floor[section] = to;
}

void SectionSearch::setLowest(uint32_t item, uint64_t to) {
  changes.push_back({Change::Lowest, item, lowest[item]});
  lowest[item] = to;
  touch(item);
}

void SectionSearch::touch(uint32_t item) {
  for (uint32_t s : sectionsOf[item])
    if (!isTouched[s]) {
      isTouched[s] = 1;
      touched.push_back(s);
    }
}

/// Raises the floors of touched sections to what their items can reach. False where the rest of a
/// section cannot lie above its floor.
bool SectionSearch::raiseFloors() {
  bool fits = true;
  for (uint32_t s : touched) {
    isTouched[s] = 0;
    if (!fits || open[s] == 0)
      continue;
    uint64_t least = never;
    for (uint32_t item : packing.sections[s])
      if (!placed[item])
        least = std::min(least, lowest[item]);
    stepCount += packing.sections[s].size();
    if (least > floor[s])
      setFloor(s, least);
    if (remaining[s] > limits.capacity || floor[s] > limits.capacity - remaining[s]) {
      weight[s] += 1;
      fits = false;
    }
  }
  touched.clear();
  return fits;
}

/// Places an item at its lowest offset; all that share a section with it go above it.
bool SectionSearch::place(uint32_t item) {
  const uint64_t end = lowest[item] + packing.items[item].size;
  placed[item] = 1;
  changes.push_back({Change::Placed, item, 0});
  for (uint32_t s : sectionsOf[item]) {
    remaining[s] -= packing.items[item].size;
    --open[s];
    setFloor(s, end);
  }
  touch(item);
  for (uint32_t other : neighbours[item])
    if (!placed[other] && lowest[other] < end)
      setLowest(other, alignUp(end, packing.items[other].alignment));
  stepCount += neighbours[item].size();
  return raiseFloors();
}

void SectionSearch::undo(size_t to) {
  for (; changes.size() > to; changes.pop_back()) {
    const Change &change = changes.back();
    switch (change.kind) {
    case Change::Floor:
      floor[change.index] = change.before;
      break;
    case Change::Lowest:
      lowest[change.index] = change.before;
      break;
    case Change::Placed:
      placed[change.index] = 0;
      for (uint32_t s : sectionsOf[change.index]) {
        remaining[s] += packing.items[change.index].size;
        ++open[s];
      }
      break;
    }
  }
}

/// The parts of `within` that items still to be placed connect, appended to `listed`.
std::vector<SectionSearch::Component> SectionSearch::components(Component within) {
  std::vector<Component> found;
  ++mark;
  std::vector<uint32_t> sections;
  for (size_t first = within.items; first < within.sections; ++first) {
    uint32_t start = listed[first];
    if (placed[start] || itemMark[start] == mark)
      continue;
    Component component{listed.size(), 0, 0};
    sections.clear();
    itemMark[start] = mark;
    listed.push_back(start);
    for (size_t next = component.items; next < listed.size(); ++next) {
      // Not by reference: the list grows.
      const uint32_t item = listed[next];
      for (uint32_t s : sectionsOf[item]) {
        if (sectionMark[s] == mark)
          continue;
        sectionMark[s] = mark;
        sections.push_back(s);
        for (uint32_t other : packing.sections[s])
          if (!placed[other] && itemMark[other] != mark) {
            itemMark[other] = mark;
            listed.push_back(other);
          }
        stepCount += packing.sections[s].size();
      }
    }
    // In the order of time, where sections have one: neighbours are then asked one after the other.
    std::sort(sections.begin(), sections.end());
    component.sections = listed.size();
    listed.insert(listed.end(), sections.begin(), sections.end());
    component.end = listed.size();
    found.push_back(component);
  }
  return found;
}

bool SectionSearch::solve(Component within) {
  const size_t size = listed.size();
  bool solved = true;
  for (const Component &component : components(within)) {
    solved = branch(component);
    if (!solved)
      break;
  }
  listed.resize(size);
  return solved;
}

/// The section to ask: of those whose floor is no higher than those around them, the one with the
/// fewest answers.
uint32_t SectionSearch::choose(Component within) {
  if (!packing.inTime)
    findLeastFloors(within);
  uint32_t best = none;
  double bestKey = 0;
  for (size_t begin = within.sections, end; begin < within.end; begin = end) {
    const uint64_t level = floor[listed[begin]];
    for (end = begin + 1; end < within.end && floor[listed[end]] == level;)
      ++end;
    if ((begin > within.sections && floor[listed[begin - 1]] < level) ||
        (end < within.end && floor[listed[end]] < level))
      continue;
    for (size_t i = begin; i < end; ++i) {
      double key;
      if (askKey(listed[i], key) && (best == none || key < bestKey)) {
        bestKey = key;
        best = listed[i];
      }
    }
  }
  // A section of the lowest floor of all can be asked.
  assert(best != none);
  return best;
}

/// By item, the least floor of its sections.
void SectionSearch::findLeastFloors(Component within) {
  for (size_t i = within.items; i < within.sections; ++i) {
    uint32_t item = listed[i];
    uint64_t least = never;
    for (uint32_t s : sectionsOf[item])
      least = std::min(least, floor[s]);
    leastFloor[item] = least;
    stepCount += sectionsOf[item].size();
  }
}

/// How soon to ask a section; false where it cannot be asked, as an item that could be at its floor
/// has a lower floor elsewhere.
bool SectionSearch::askKey(uint32_t section, double &key) {
  const uint64_t level = floor[section];
  uint32_t answers = 0;
  stepCount += packing.sections[section].size();
  for (uint32_t item : packing.sections[section]) {
    if (placed[item] || lowest[item] != level)
      continue;
    ++answers;
    if (!packing.inTime && leastFloor[item] != level)
      return false;
  }
  uint64_t slack = limits.capacity - level - remaining[section];
  key = answers + (slack > 0);
  if (weighted)
    key /= weight[section];
  else
    key += static_cast<double>(slack) / static_cast<double>(limits.capacity);
  return true;
}

bool SectionSearch::branch(Component within) {
  if (++nodes > limits.nodes || depth >= maxDepth) {
    gaveUp = true;
    return false;
  }
  ++depth;
  const uint32_t section = choose(within);
  const size_t begin = candidates.size();
  for (uint32_t item : packing.sections[section])
    if (!placed[item] && lowest[item] == floor[section])
      candidates.push_back(item);
  std::sort(candidates.begin() + begin, candidates.end(),
            [&](uint32_t a, uint32_t b) { return rank[a] < rank[b]; });
  const size_t end = candidates.size();
  const bool slack = limits.capacity - floor[section] > remaining[section];
  const size_t before = changes.size();
  bool solved = false;
  for (size_t i = begin; i < end && !solved && !gaveUp; ++i) {
    const uint32_t item = candidates[i];
    bool tried = false;
    for (size_t j = begin; j < i && !tried; ++j)
      tried = alike[candidates[j]] == alike[item];
    if (tried)
      continue;
    solved = place(item) && solve(within);
    if (!solved)
      undo(before);
  }
  if (!solved && !gaveUp && slack) {
    std::vector<uint32_t> absent(candidates.begin() + begin, candidates.end());
    solved = leaveEmpty(section, absent) && solve(within);
    if (!solved)
      undo(before);
  }
  candidates.resize(begin);
  --depth;
  return solved;
}

/// None of the candidates is at the section's floor. Each then rests on another item: one that is
/// no candidate, or a candidate that itself rests on such.
bool SectionSearch::leaveEmpty(uint32_t section, std::span<const uint32_t> absent) {
  ++mark;
  uint64_t thinnest = never, second = never;
  for (uint32_t item : absent) {
    itemMark[item] = mark;
    uint64_t size = packing.items[item].size;
    if (size < thinnest)
      second = std::exchange(thinnest, size);
    else
      second = std::min(second, size);
  }
  std::vector<uint64_t> least;
  uint64_t leastOfAll = never;
  for (uint32_t item : absent) {
    uint64_t own = never;
    for (uint32_t other : neighbours[item])
      if (!placed[other] && itemMark[other] != mark)
        own = std::min(own, lowest[other] + packing.items[other].size);
    stepCount += neighbours[item].size();
    least.push_back(own);
    leastOfAll = std::min(leastOfAll, own);
  }
  if (leastOfAll == never) {
    weight[section] += 1;
    return false;
  }
  for (size_t i = 0; i < absent.size(); ++i) {
    uint64_t under = packing.items[absent[i]].size == thinnest ? second : thinnest;
    uint64_t onOther = under == never ? never : leastOfAll + under;
    setLowest(absent[i], alignUp(std::min(least[i], onOther), packing.items[absent[i]].alignment));
  }
  return raiseFloors();
}

} // namespace bigmac::planning
