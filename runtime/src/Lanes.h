//===- Lanes.h - Fewer channels that mean the same ------------------------===//

#ifndef BIGMAC_RT_LANES_H
#define BIGMAC_RT_LANES_H

#include "bigmac-rt/PlanView.h"

#include <map>
#include <vector>

namespace bigmac::rt {

/// The tags between two pipeline ranks, put together into as few lanes as their order allows: tags
/// share a lane where the sender starts their messages in the order in which the receiver does. One
/// lane can then carry them one after another and nothing waits longer than under tags of its own:
/// when both ends of a message have been started, both ends of those before it have been as well.
/// A lane costs a communicator and a stream where NCCL carries it.
class Lanes {
public:
  explicit Lanes(const PlanView &plan);
  /// Lanes of one pair and direction count from 0.
  uint32_t of(uint32_t from, uint32_t to, uint32_t tag) const { return lanes.at({from, to, tag}); }

private:
  struct Key {
    uint32_t from, to, tag;
    auto operator<=>(const Key &) const = default;
  };
  std::map<Key, uint32_t> lanes;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_LANES_H
