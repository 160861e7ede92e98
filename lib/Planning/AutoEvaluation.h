//===- AutoEvaluation.h - Predicts one arrangement --------------*- C++ -*-===//

#ifndef BIGMAC_LIB_PLANNING_AUTOEVALUATION_H
#define BIGMAC_LIB_PLANNING_AUTOEVALUATION_H

#include "bigmac/Planning/AutoSearch.h"

namespace bigmac::planning {

/// Fills in what is predicted of `candidate`, at the least recomputation that fits in memory; sets
/// `rejected` where none does. Returns the least bytes that it needs at any level; UINT64_MAX where
/// it cannot be built.
uint64_t evaluateCandidate(const AutoProblem &problem, AutoCandidate &candidate);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_AUTOEVALUATION_H
