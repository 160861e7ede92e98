//===- PairwiseComm.h - Class collectives out of messages -----------------===//

#ifndef BIGMAC_RT_PAIRWISECOMM_H
#define BIGMAC_RT_PAIRWISECOMM_H

#include "bigmac-rt/Comm.h"

#include <string>

namespace bigmac::rt {

/// Gradient sums and parameter gathers by direct exchange: every rank sends each other one its
/// shard. The bytes are those of a ring, and the sum is in group order, whatever arrives first.
class PairwiseComm : public Comm {
public:
  // These ranks are connected from the start.
  void prepareGroup(std::span<const uint32_t>) final {}
  void connect() final {}
  void reduceScatter(Device &device, const ShardedRegion &region) final;
  void allGather(Device &device, const ShardedRegion &region) final;

protected:
  /// Starts a message on a channel of its own; `what` names it in errors.
  virtual void post(bool sends, void *data, uint64_t bytes, uint32_t peer, const char *what) = 0;
  /// Waits for all that were posted.
  virtual void finishPosted() = 0;

private:
  std::vector<const void *> sources;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PAIRWISECOMM_H
