//===- Interleaved.cpp - Interleaved 1F1B ---------------------------------===//

#include "Builders.h"

namespace bigmac::planning {

Result<Schedule> buildInterleaved(const Problem &problem) {
  // The LLM's order in encoder-first is interleaved 1F1B.
  return buildEncoderFirst(problem);
}

} // namespace bigmac::planning
