//===- OneForwardOneBackward.cpp - Plain 1F1B -----------------------------===//

#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildOneForwardOneBackward(const Problem &problem) {
  if (Status status = requireOneChunk(ScheduleKind::OneForwardOneBackward, problem); !status)
    return status.error();
  // With one chunk, interleaved 1F1B is plain 1F1B.
  return buildInterleaved(problem);
}

} // namespace bigmac::planning
