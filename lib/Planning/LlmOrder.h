//===- LlmOrder.h - Orders of the LLM's forwards and backwards --*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_LLMORDER_H
#define BIGMAC_LIB_PLANNING_LLMORDER_H

#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <vector>

namespace bigmac::planning {

/// Interleaved 1F1B on one of the LLM's P ranks: forwards go through the chunks in groups of P
/// microbatches, backwards through the chunks in reverse; after `warmup` forwards, one forward and
/// one backward in turn. The last group is padded to P microbatches to find the order; padded
/// actions, and backwards that do not exist, are left out. With one chunk it is plain 1F1B.
std::vector<Action> interleavedOrder(const Workload &workload, uint32_t rank, uint64_t warmup);

/// The warm-up of `interleavedOrder` for a rank, `extra` forwards longer than the LLM alone needs:
/// 2(P-r-1) + (V-1)P, or P-r-1 for one chunk, where the rank is r-th of the LLM's.
uint64_t interleavedWarmup(const Workload &workload, uint32_t rank, uint32_t extra);

/// GPipe on one rank: all forwards, then all backwards. For one chunk.
std::vector<Action> gpipeOrder(const Workload &workload, uint32_t rank);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_LLMORDER_H
