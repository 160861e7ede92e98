//===- PairwiseComm.h - Class collectives out of messages -----------------===//

#ifndef BIGMAC_RT_PAIRWISECOMM_H
#define BIGMAC_RT_PAIRWISECOMM_H

#include "bigmac-rt/Comm.h"

#include <string>
#include <vector>

namespace bigmac::rt {

/// Gradient sums and parameter gathers by direct exchange: every rank sends each other one its
/// shard. The bytes are those of a ring, and the sum is in group order, whatever arrives first.
class PairwiseComm : public Comm {
public:
  // These ranks are connected from the start.
  void connect() final {}
  Region prepareRegion(const ShardedRegion &region) final {
    regions.push_back(region);
    return static_cast<Region>(regions.size() - 1);
  }
  // All is done at the end: the host has nothing else to do while messages move.
  void beginSum(Device &, Region) final {}
  void endSum(Device &device, Region region) final { reduceScatter(device, regions[region]); }
  void beginGather(Device &, Region) final {}
  void endGather(Device &device, Region region) final { allGather(device, regions[region]); }

protected:
  /// Starts a message on a channel of its own; `what` names it in errors.
  virtual void post(bool sends, void *data, uint64_t bytes, uint32_t peer, const char *what) = 0;
  /// Waits for all that were posted.
  virtual void finishPosted() = 0;

private:
  void reduceScatter(Device &device, const ShardedRegion &region);
  void allGather(Device &device, const ShardedRegion &region);

  std::vector<ShardedRegion> regions;
  std::vector<const void *> sources;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PAIRWISECOMM_H
