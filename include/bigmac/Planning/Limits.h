//===- Limits.h - The largest problem that is accepted ----------*- C++ -*-===//
//
// Counts come from command lines and files; these limits keep a typing error or a hostile file from
// taking the machine's memory. A deployment of 64 ranks, 4 chunks and 4096 microbatches has 2.1
// million actions (3.2 million with split backward).
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_LIMITS_H
#define BIGMAC_PLANNING_LIMITS_H

#include "bigmac/Planning/Result.h"

#include <cstdint>

namespace bigmac::planning {

inline constexpr uint32_t maxRanks = 4096;
inline constexpr uint32_t maxChunks = 1024;
inline constexpr uint32_t maxMicrobatches = 1u << 22;
/// Of one schedule, over all ranks.
inline constexpr uint64_t maxActions = 8u << 20;

/// All three at least 1 and within the limits, and the schedule's actions too (`phases` LLM actions
/// for each stage and microbatch, 2 or 3).
Status checkSize(uint64_t ranks, uint64_t chunks, uint64_t microbatches, uint32_t phases);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_LIMITS_H
