//===- BigMacZb.cpp - The nested pipeline with the backward split ---------===//

#include "../CutSearch.h"
#include "../Search/SplitBuilder.h"
#include "Builders.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace bigmac::planning {

namespace {

/// The fastest plan, of whole and then of split backwards, without a memory limit.
struct Unlimited {
  Problem problem;
  Schedule whole, split;
};

Result<Unlimited> buildUnlimited(const Problem &problem) {
  Problem unlimited = problem;
  unlimited.memoryLimit.reset();
  unlimited.robust = false;
  Result<Schedule> whole = buildBigMac(unlimited);
  if (!whole)
    return whole.error();
  Result<Schedule> split = buildSplit(unlimited, {*whole, false, problem.ranks});
  if (!split)
    return split.error();
  return Unlimited{unlimited, std::move(*whole), std::move(*split)};
}

/// The fastest plan within the memory limit; of whole backwards where only they keep it.
Result<Schedule> buildWithinLimit(const Problem &problem, const Unlimited &unlimited) {
  constexpr uint64_t none = std::numeric_limits<uint64_t>::max();
  Problem fast = problem;
  fast.robust = false;
  uint64_t leastOfWhole = none, leastOfSplit = none;
  Result<Schedule> whole = buildBigMac(fast, leastOfWhole);
  if (!whole && leastOfWhole == none)
    return whole;
  // Split backwards may keep a limit that whole ones do not.
  Result<Schedule> split =
      buildSplit(fast, {whole ? *whole : unlimited.whole, false, problem.ranks, &unlimited.split},
                 &leastOfSplit);
  // A program's dependencies are of one kind: it is split, or it is not.
  if (split || leastOfSplit == none || problem.dependencies)
    return split;
  // Waiting weight gradients may hold more than the activations that they replace.
  if (whole)
    return whole;
  return overMemoryLimit("order", *problem.memoryLimit, std::min(leastOfWhole, leastOfSplit));
}

} // namespace

Result<Schedule> buildBigMacZb(const Problem &problem) {
  Result<Unlimited> unlimited = buildUnlimited(problem);
  if (!unlimited)
    return unlimited.error();
  Result<Schedule> fast = problem.memoryLimit ? buildWithinLimit(problem, *unlimited)
                                              : Result<Schedule>(std::move(unlimited->split));
  if (!fast || !problem.robust)
    return fast;
  Result<Schedule> whole = buildBigMac(problem);
  if (!fast->splitBackward)
    return whole;
  if (!whole) {
    unlimited->problem.robust = true;
    whole = buildBigMac(unlimited->problem);
  }
  if (!whole)
    return whole;
  return buildRobustSplit(problem, {*whole, false, problem.ranks}, *fast);
}

} // namespace bigmac::planning
