//===- LowerBound.h - What no schedule can be faster than -------*- C++ -*-===//
//
// The busiest rank's work is a bound, but a weak one: no rank can work before something has reached
// it, nor end with work that others still wait for.
//
// Let r(j) be the longest path of durations and transfers that ends where action j may start, and
// q(j) the longest one from j's end to the end of the step. In every schedule, on any number of
// ranks, j starts at r(j) or later and the step ends q(j) after j's end or later. Take a set S of
// actions of one rank. They run one at a time, none before min r(j); the last of them to end leaves
// at least min q(j). So
//
//     makespan >= min r(j) + sum of seconds(j) + min q(j)      over j in S.
//
// The bound is the greatest over all ranks and all sets S. The preemptive schedule of the rank
// alone that always runs the available action of the greatest q has exactly that value
// (J. R. Jackson, 1955; J. Carlier, "The one-machine sequencing problem", 1982), so it is found in
// n log n steps. S = one action gives the critical path: an encoder's forward, every stage's, the
// generator, every stage's backward, the encoder's backward. S = all actions of a rank gives its
// work, what must come before it and what must come after it.
//
// Memory is not part of it: a schedule within a memory limit may have to be slower.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_LOWERBOUND_H
#define BIGMAC_PLANNING_LOWERBOUND_H

#include "bigmac/Planning/Costs.h"
#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

namespace bigmac::planning {

/// Seconds that every schedule of `schedule`'s actions on their ranks takes at least, whatever the
/// order. A split backward gives the bound for split ones, which may be less. Errors: an action
/// twice, a dependency on an action that is not there, dependencies that form a cycle.
Result<double> lowerBound(const Schedule &schedule, const Dependencies &dependencies,
                          const Costs &costs, const Jitter &jitter = {});

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_LOWERBOUND_H
