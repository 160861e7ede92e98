//===- MessageCheck.h - Messages between ranks ------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_RT_TRANSFORMS_MESSAGECHECK_H
#define BIGMAC_DIALECTS_RT_TRANSFORMS_MESSAGECHECK_H

#include "RankCheck.h"

namespace bigmac::rt {

/// Fails unless both ends of each channel have the same messages in the same order.
mlir::LogicalResult checkChannels(const ProgramIndex &index, llvm::ArrayRef<RankMessages> ranks);

/// Fails if the ranks cannot all come to their ends where a wait for a send lasts until the receive
/// is posted, and a wait for a receive until the send is started: then the error is the cycle.
/// Expects checked channels. What can go on, goes on, in whatever order: if that ends early, no
/// order of events gets further.
mlir::LogicalResult checkRendezvous(const ProgramIndex &index, llvm::ArrayRef<RankMessages> ranks);

} // namespace bigmac::rt

#endif // BIGMAC_DIALECTS_RT_TRANSFORMS_MESSAGECHECK_H
