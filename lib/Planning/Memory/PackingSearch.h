//===- PackingSearch.h - The lowest peak of a packing -----------*- C++ -*-===//
//
// Private to the library. Runs the section search with several orders of answers, each for a while,
// at falling capacities.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_MEMORY_PACKINGSEARCH_H
#define BIGMAC_LIB_PLANNING_MEMORY_PACKINGSEARCH_H

#include "SectionSearch.h"

namespace bigmac::planning {

class PackingSearch {
public:
  /// Steps that may be taken in all; a hundred million are a fraction of a second.
  PackingSearch(const Packing &packing, uint64_t steps);

  /// Looks for a placement with a peak below `peak`, as low as it can, until one is no higher than
  /// `goal`. True if one was found.
  bool improve(uint64_t peak, uint64_t goal);

  /// Of the best placement found: by item, and its peak.
  const std::vector<uint64_t> &offsets() const { return best; }
  uint64_t peak() const { return bestPeak; }
  /// No placement has a lower peak: the heaviest section, or more where a search was exhausted.
  uint64_t bound() const { return leastPeak; }

private:
  bool tryFor(uint64_t capacity, uint64_t steps);
  SectionSearch::Outcome fit(uint64_t capacity, uint64_t steps);
  std::vector<uint32_t> orderOf(unsigned run);

  const Packing &packing;
  SectionSearch search;
  uint64_t allSteps;
  /// By item: the bytes of its heaviest section.
  std::vector<uint64_t> pressure;
  std::vector<uint64_t> best;
  uint64_t bestPeak = 0, leastPeak = 0;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_MEMORY_PACKINGSEARCH_H
