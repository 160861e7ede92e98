//===- HostStays.h - Values in the host's memory for a time -----*- C++ -*-===//

#ifndef BIGMAC_LIB_CONVERSION_PIPELINETORT_HOSTSTAYS_H
#define BIGMAC_LIB_CONVERSION_PIPELINETORT_HOSTSTAYS_H

#include "RankProgram.h"
#include "bigmac/Planning/Offload.h"

#include <optional>

namespace bigmac {

/// The longest time between two actions that need the buffer and in which it is not sent, if there
/// is an action in it.
std::optional<planning::Gap> widestGap(const RankBuffer &buffer);

/// A rank's actions as executed.
planning::RankTimes timesOf(const planning::Timing &timing, uint32_t rank);

/// The values that a scheduled program says are offloaded.
llvm::SmallVector<mlir::Value> offloadedValues(pipeline::ScheduledOp scheduled);

/// Copies of a rank's instances of `values`: by buffer where there is a gap.
struct PlannedStays {
  std::vector<unsigned> buffers;
  std::vector<planning::Gap> gaps;
  planning::Trips trips;
};
PlannedStays planStays(const RankProgram &program, llvm::ArrayRef<mlir::Value> values,
                       const planning::RankTimes &times, const planning::Link &host);

/// Cuts the lives of those buffers in two, with a stay in the host's memory between.
void addStays(RankProgram &program, const PlannedStays &planned);

} // namespace bigmac

#endif // BIGMAC_LIB_CONVERSION_PIPELINETORT_HOSTSTAYS_H
