//===- Update.h - From gradients to new weights ---------------------------===//

#ifndef BIGMAC_RT_UPDATE_H
#define BIGMAC_RT_UPDATE_H

#include "Holdings.h"
#include "bigmac-rt/Comm.h"
#include "bigmac-rt/Device.h"

#include <string>

namespace bigmac::rt {

/// Sharded AdamW over the classes that this rank holds.
class Update {
public:
  Update(const PlanView &plan, const Holdings &holdings, Device &device, Comm &comm);

  /// Sums each class's gradients over the ranks that hold it; this rank's shard is complete then.
  void sumGradients();
  /// Of this rank's shards: the sum over the world counts each element of the model once.
  double sumSquares();
  /// AdamW on this rank's shards, then every rank's shards everywhere. `how.weightDecay` is of the
  /// parameters that decay.
  void step(const AdamW &how);
  void gatherParameters();
  /// Collective: a hash of all weights in an order that the plan fixes; on rank 0.
  uint64_t weightsHash();

private:
  ShardedRegion region(const HeldClass &held, uint64_t offset, bm_dtype type);

  const Holdings &holdings;
  Device &device;
  Comm &comm;
  uint64_t scratchOffset, scratchBytes;
  double *squares; // of each trained class
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_UPDATE_H
