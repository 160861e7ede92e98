//===- RingPlacement.h - Offsets that do not grow with a step ---*- C++ -*-===//
//
// A training step repeats: microbatch after microbatch makes the same values with the same
// lifetimes. Placing each of a step's buffers by itself packs well, but the peak then moves a little
// with the number of microbatches. Here instances of one value share a ring of slots, as many as
// are ever alive at once, so a longer step of the same rhythm has the same peak, to the byte.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_RINGPLACEMENT_H
#define BIGMAC_PLANNING_RINGPLACEMENT_H

#include "bigmac/Planning/MemoryPlanner.h"

namespace bigmac::planning {

/// Places buffers; `rings[i]` names the value that buffer i is an instance of (instances have one
/// size), 0 for a buffer of its own.
///
/// Instances that all live for at most `brief` instants, and buffers of their own, are placed in
/// time order above the rings, each at the lowest place that is free: a region that empties again
/// and again fills in the same way each time. Deterministic. Errors: as placeBuffers, and instances
/// of different sizes.
Result<Placement> placeInRings(std::span<const Buffer> buffers, std::span<const uint32_t> rings,
                               uint64_t brief = 2);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_RINGPLACEMENT_H
