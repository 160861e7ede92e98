//===- BigMacZb.cpp - The nested pipeline with the backward split ---------===//

#include "../Search/SplitBuilder.h"
#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildBigMacZb(const Problem &problem) {
  Result<Schedule> nested = buildBigMac(problem);
  if (!nested)
    return nested.error();
  Result<Schedule> split = buildSplit(problem, *nested, false, problem.ranks);
  // Where waiting weight gradients hold more than the activations they replace, only whole
  // backwards may fit. A program's dependencies are of one kind: it is split, or it is not.
  if (!split && problem.memoryLimit && !problem.dependencies)
    return nested;
  return split;
}

} // namespace bigmac::planning
