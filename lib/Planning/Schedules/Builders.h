//===- Builders.h - One builder a schedule ----------------------*- C++ -*-===//
//
// Private to the library. Each takes a valid problem.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SCHEDULES_BUILDERS_H
#define BIGMAC_LIB_PLANNING_SCHEDULES_BUILDERS_H

#include "bigmac/Planning/ScheduleBuilder.h"

namespace bigmac::planning {

/// The nested pipeline: encoder and generator units at cuts inside interleaved 1F1B, a window of
/// encoder units in flight.
Result<Schedule> buildBigMac(const Problem &problem);
/// Also tells the least limit that works, where the memory limit refuses the schedule.
Result<Schedule> buildBigMac(const Problem &problem, uint64_t &leastLimit);

/// Every encoder forward before the LLM and every backward after it; generator units at cuts.
Result<Schedule> buildEncoderFirst(const Problem &problem);

/// Interleaved 1F1B. Encoder and generator as in encoder-first.
Result<Schedule> buildInterleaved(const Problem &problem);

/// Plain 1F1B, one chunk. Encoder and generator as in encoder-first.
Result<Schedule> buildOneForwardOneBackward(const Problem &problem);

/// All forwards, then all backwards, one chunk. Encoder and generator as in encoder-first.
Result<Schedule> buildGPipe(const Problem &problem);

/// 1F1B with the backward split, one chunk. Encoder and generator as in encoder-first.
Result<Schedule> buildZb(const Problem &problem);

/// The nested pipeline with the backward split: never slower than bigmac.
Result<Schedule> buildBigMacZb(const Problem &problem);

/// Encoder and generator apart from the LLM, as the problem's placement says; interleaved 1F1B over
/// the LLM's ranks. An error without a placement.
Result<Schedule> buildSeparateStages(const Problem &problem);

/// An error unless the problem has one chunk.
Status requireOneChunk(ScheduleKind kind, const Problem &problem);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SCHEDULES_BUILDERS_H
