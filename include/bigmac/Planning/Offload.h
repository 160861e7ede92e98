//===- Offload.h - What waits in the host's memory --------------*- C++ -*-===//
//
// A value that a forward leaves for its backward may spend the time between them in the host's
// memory: it is copied out after its last use before that time, and back before its next one. The
// host's link copies one thing at a time in each direction, while actions run; what it cannot hide
// behind them, the rank waits for.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_OFFLOAD_H
#define BIGMAC_PLANNING_OFFLOAD_H

#include "bigmac/Planning/DeviceModel.h"

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace bigmac::planning {

/// A rank's actions as executed, by position in its order.
struct RankTimes {
  std::vector<double> start, end;
};

/// Bytes that a rank has no use for between action `after` and action `before`, positions in its
/// order.
struct Gap {
  uint32_t after = 0;
  uint32_t before = 0;
  uint64_t bytes = 0;
};

/// The copies of one gap. Copying out starts when action `Gap::after` has ended and is waited for
/// before action `gone`; copying back starts before action `back` and is waited for before action
/// `Gap::before`. While actions gone .. back-1 run, the device does not hold the bytes.
struct Trip {
  uint32_t gone = 0;
  uint32_t back = 0;

  /// If not, the bytes stay: there is no time for both copies.
  bool made() const { return gone < back; }
};

struct Trips {
  /// By gap.
  std::vector<Trip> of;
  /// Of all copies, and what of them the rank waits for.
  double seconds = 0;
  double exposed = 0;
};

/// The copies of gaps that have the same two actions start together and are waited for together.
/// Copies in one direction follow one another: those out in the order of `after`, those back, as
/// late as they can, in the order of `before`. At most two groups of one direction are on the
/// device at a time: a group is gone before the action after the one that makes the next group, and
/// comes back no earlier than the group before it is used. So what is held does not grow with the
/// number of gaps where the link falls behind; the rank waits instead.
Trips planTrips(const RankTimes &times, std::span<const Gap> gaps, const Link &host);

/// A value of which each microbatch has an instance.
struct OffloadValue {
  struct Use {
    uint32_t rank = 0;
    std::vector<Gap> gaps;
  };
  /// At most one for each rank.
  std::vector<Use> uses;
  /// What saving its bytes by recomputation would add to all ranks' actions of a step. Infinite
  /// where nothing could be recomputed instead.
  double recomputeSeconds = std::numeric_limits<double>::infinity();
};

struct OffloadProblem {
  Link host;
  /// By rank.
  std::vector<RankTimes> times;
  /// By rank and position: bytes that the device holds while that action runs, with nothing
  /// offloaded.
  std::vector<std::vector<uint64_t>> live;
  /// By rank: what `live` shall come to.
  std::vector<uint64_t> limit;
  /// Bytes of the host's memory that a rank may take.
  uint64_t hostLimit = std::numeric_limits<uint64_t>::max();
  std::vector<OffloadValue> values;
};

struct OffloadChoice {
  /// Indexes of values, ascending.
  std::vector<uint32_t> values;
  /// Whether every rank is within its limit.
  bool fits = false;
  /// By rank: the most bytes that the device and the host hold, and the seconds that the rank
  /// waits for copies.
  std::vector<uint64_t> deviceBytes, hostBytes;
  std::vector<double> exposed;

  /// Of the rank that waits longest.
  double mostExposed() const;
};

/// From nothing offloaded, takes the value that saves the most of what is missing for each second
/// that ranks wait, until every rank is within its limit, or several where one alone saves nothing;
/// then gives up what turned out not to be needed, dearest first. A value that makes ranks wait
/// longer than recomputation would is not taken. Deterministic; the problem is well-formed (indexes
/// in range, gaps within their orders).
OffloadChoice chooseOffload(const OffloadProblem &problem);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_OFFLOAD_H
