//===- BigMacZb.cpp - The nested pipeline with the backward split ---------===//

#include "../Search/SplitBuilder.h"
#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildBigMacZb(const Problem &problem) {
  Result<Schedule> nested = buildBigMac(problem);
  if (!nested)
    return nested.error();
  return buildSplit(problem, *nested, false, problem.ranks);
}

} // namespace bigmac::planning
