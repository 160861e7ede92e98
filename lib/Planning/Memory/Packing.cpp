//===- Packing.cpp - Lifetimes to sections --------------------------------===//

#include "Packing.h"

#include <algorithm>
#include <numeric>

namespace bigmac::planning {

void forEachSection(std::span<const Buffer> lives, const SectionVisitor &visit) {
  std::vector<uint32_t> births(lives.size());
  std::iota(births.begin(), births.end(), 0u);
  std::vector<uint32_t> deaths = births;
  std::sort(births.begin(), births.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(lives[a].lower, a) < std::pair(lives[b].lower, b);
  });
  std::sort(deaths.begin(), deaths.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(lives[a].upper, a) < std::pair(lives[b].upper, b);
  });
  // The set of the living is maximal just before a death that follows a birth.
  std::vector<uint32_t> alive, place(lives.size());
  bool grown = false;
  size_t born = 0;
  for (uint32_t dying : deaths) {
    for (; born < births.size() && lives[births[born]].lower < lives[dying].upper; ++born) {
      place[births[born]] = alive.size();
      alive.push_back(births[born]);
      grown = true;
    }
    if (grown && !visit(alive))
      return;
    grown = false;
    place[alive.back()] = place[dying];
    alive[place[dying]] = alive.back();
    alive.pop_back();
  }
}

std::optional<Packing> packingOf(std::span<const Buffer> buffers, std::span<const uint32_t> active,
                                 size_t most) {
  Packing packing;
  packing.inTime = true;
  std::vector<Buffer> lives;
  for (uint32_t i : active) {
    lives.push_back(buffers[i]);
    packing.items.push_back(
        {buffers[i].size, buffers[i].alignment, buffers[i].upper - buffers[i].lower});
  }
  bool complete = true;
  forEachSection(lives, [&](std::span<const uint32_t> alive) {
    complete = packing.sections.total() + alive.size() <= most;
    if (complete)
      packing.sections.append(alive);
    return complete;
  });
  if (!complete)
    return std::nullopt;
  return packing;
}

uint64_t heaviestSection(const Packing &packing) {
  uint64_t heaviest = 0;
  for (size_t s = 0; s < packing.sections.size(); ++s) {
    uint64_t bytes = 0;
    for (uint32_t item : packing.sections[s])
      bytes += packing.items[item].size;
    heaviest = std::max(heaviest, bytes);
  }
  return heaviest;
}

} // namespace bigmac::planning
