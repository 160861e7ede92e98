//===- SeparateStages.h - What the search for a split needs -----*- C++ -*-===//
//
// Private to the library. Problems are valid and have a placement.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SCHEDULES_SEPARATESTAGES_H
#define BIGMAC_LIB_PLANNING_SCHEDULES_SEPARATESTAGES_H

#include "../CutSearch.h"

#include <vector>

namespace bigmac::planning {

/// The schedule, and (unless null) what its search found.
Result<Schedule> buildSeparateStages(const Problem &problem, CutOutcome *outcome);

/// Bounds that no schedule beats in which the components have ranks of their own. The LLM's cost is
/// taken as recut evenly. It works between the encoder's first forward and last backward, the
/// generator also between the LLM's.
class SplitBounds {
public:
  explicit SplitBounds(const Problem &problem);
  double at(uint32_t encoderRanks, uint32_t generatorRanks) const;

private:
  uint32_t ranks;
  /// Of all LLM ranks together; of the busiest replica by their number.
  double llmWork = 0;
  std::vector<double> encoder, generator;
  double llmEnds = 0, generatorEnds = 0;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SCHEDULES_SEPARATESTAGES_H
