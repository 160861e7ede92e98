//===- BigMacZb.cpp - The nested pipeline with the backward split ---------===//

#include "../Search/FillSearch.h"
#include "Builders.h"

#include <limits>

namespace bigmac::planning {

Result<Schedule> buildBigMacZb(const Problem &problem) {
  Result<Schedule> main = buildBigMac(problem);
  if (!main)
    return main.error();
  Result<SplitProblem> split = SplitProblem::build(problem);
  if (!split)
    return split.error();
  FillSearch search(*split);
  search.consider(*main, problem.ranks, std::numeric_limits<uint32_t>::max());
  return search.best();
}

} // namespace bigmac::planning
