//===- Update.h - From gradients to new weights ---------------------------===//

#ifndef BIGMAC_RT_UPDATE_H
#define BIGMAC_RT_UPDATE_H

#include "Holdings.h"
#include "bigmac-rt/Comm.h"
#include "bigmac-rt/Device.h"

#include <map>
#include <string>
#include <vector>

namespace bigmac::rt {

/// Neighbouring elements that take the same step of AdamW.
struct Stretch {
  AdamWShard at;
  bool decays;
};

/// Segments of one class joined where one begins where another ends: a call for each tensor costs
/// more than the arithmetic of a small one.
std::vector<Stretch> stretchesOf(std::vector<const Segment *> segments);

/// Sharded AdamW over the classes that this rank holds.
class Update {
public:
  Update(const PlanView &plan, const Holdings &holdings, Device &device, Comm &comm);

  /// Which sums may begin after how many instructions of this rank's list.
  std::multimap<size_t, Comm::Region> sumsAfter() const;

  /// Ends the sums of gradients over the ranks that hold them: this rank's shards are complete
  /// then. Gives the sum of their squares: over the world it counts each element of the model once.
  double sumGradients();
  /// AdamW on this rank's shards, then every rank's shards everywhere. `how.weightDecay` is of the
  /// parameters that decay.
  void step(const AdamW &how);
  /// Collective: a hash of all weights in an order that the plan fixes; on rank 0.
  uint64_t weightsHash();

private:
  struct Class {
    const HeldClass *held;
    Comm::Region gradients, parameters;
    size_t completeAfter; // instructions
    std::vector<Stretch> stretches;
  };

  const Holdings &holdings;
  Device &device;
  Comm &comm;
  std::vector<Class> classes; // in the order in which all ranks sum and gather
  double *squares;            // of each class, in that order
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_UPDATE_H
