//===- Holdings.h - What one rank holds of the model ----------------------===//

#ifndef BIGMAC_RT_HOLDINGS_H
#define BIGMAC_RT_HOLDINGS_H

#include "bigmac-rt/Device.h"
#include "bigmac-rt/PlanView.h"

#include <vector>

namespace bigmac::rt {

/// A trained class that this rank belongs to.
struct HeldClass {
  uint32_t index;              // in the plan
  bm_member at;                // where this rank keeps it
  bm_dtype type, gradType;     // of the parameters and of their gradients
  std::vector<uint32_t> group; // world ranks, in shard order
  uint32_t self;               // this rank's index in the group: the shard it owns
  uint64_t shardElements;
};

/// The part of a trained parameter that is in this rank's shard, or a whole frozen parameter.
struct Segment {
  uint32_t param;
  uint64_t begin; // first element within the parameter
  AdamWShard at;  // frozen: param, elements and paramType only
  bool trained;
  bool decays; // weight decay applies

  bool hasMaster() const { return at.master != BM_NONE64; }
};

/// A parameter that this rank keeps whole in its arena.
struct HeldParam {
  uint32_t param;
  uint64_t offset;
};

struct Holdings {
  Holdings(const PlanView &plan, uint32_t worldRank);

  uint32_t replica, pipelineRank;
  std::vector<HeldClass> trained; // in plan order, which all ranks share
  std::vector<HeldParam> params;
  /// What this rank updates and writes to checkpoints; over all ranks of the world the segments
  /// cover each parameter exactly once.
  std::vector<Segment> segments;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_HOLDINGS_H
