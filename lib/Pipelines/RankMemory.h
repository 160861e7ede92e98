//===- RankMemory.h - What an rt program holds when -------------*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_RANKMEMORY_H
#define BIGMAC_LIB_PIPELINES_RANKMEMORY_H

#include "bigmac/Report/Content.h"
#include "dialects/RT/IR/RT.h"

namespace bigmac {

/// Live bytes of every rank over its actions, by class, from the rank's own instructions: a value
/// lives from what writes it to what last reads or has sent it. Fails, with an error at the rank,
/// where its runs are not the schedule's actions.
mlir::FailureOr<report::Memory> memoryOverTime(rt::ProgramOp program,
                                               const planning::Schedule &schedule);

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_RANKMEMORY_H
