//===- BigMacZb.cpp - The nested pipeline with the backward split ---------===//

#include "../Search/SplitBuilder.h"
#include "Builders.h"

#include <utility>

namespace bigmac::planning {

Result<Schedule> buildBigMacZb(const Problem &problem) {
  Problem fast = problem;
  fast.robust = false;
  Result<Schedule> nested = buildBigMac(fast);
  if (!nested)
    return nested.error();
  Result<Schedule> split = buildSplit(fast, *nested, false, problem.ranks);
  if (split && !problem.robust)
    return split;
  Result<Schedule> robust = problem.robust ? buildBigMac(problem) : std::move(nested);
  if (!robust)
    return robust.error();
  if (split)
    return buildRobustSplit(problem, *split, *robust, false, problem.ranks);
  // Where waiting weight gradients hold more than the activations they replace, only whole
  // backwards may fit. A program's dependencies are of one kind: it is split, or it is not.
  if (problem.memoryLimit && !problem.dependencies)
    return robust;
  return split;
}

} // namespace bigmac::planning
