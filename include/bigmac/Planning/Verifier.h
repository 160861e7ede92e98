//===- Verifier.h - Proves a schedule ---------------------------*- C++ -*-===//

#ifndef BIGMAC_PLANNING_VERIFIER_H
#define BIGMAC_PLANNING_VERIFIER_H

#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

namespace bigmac::planning {

/// Proves that every action of `workload` is run exactly once, on its own rank, and nothing else;
/// that every dependency names an action that exists, once; and that orders and dependencies
/// together have no cycle. An error names the actions, for a cycle all of it. Transfers under
/// finite buffers are proved by Transfers.h.
Status verifySchedule(const Schedule &schedule, const Workload &workload,
                      const Dependencies &dependencies);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_VERIFIER_H
