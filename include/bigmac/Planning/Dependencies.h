//===- Dependencies.h - What an action waits for ----------------*- C++ -*-===//

#ifndef BIGMAC_PLANNING_DEPENDENCIES_H
#define BIGMAC_PLANNING_DEPENDENCIES_H

#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <vector>

namespace bigmac::planning {

/// An action that another one waits for, and the kind of data that flows. Between different ranks
/// it is a transfer: transfers of one (sender, receiver, channel) form a link, whose messages are
/// sent and received in one order.
struct Dependency {
  uint32_t rank = 0;
  uint32_t channel = 0;
  Action producer;
};

/// Dependencies of a program. A compiler derives them from its program's transfers, so another
/// encoder, or features that enter a later layer, need no rule here. Must be a pure function: it is
/// asked more than once.
class Dependencies {
public:
  virtual ~Dependencies();
  /// Appends what `consumer` on rank `rank` waits for, its own rank's producers included. What only
  /// follows from the rank's order is not listed.
  virtual void append(uint32_t rank, const Action &consumer,
                      std::vector<Dependency> &producers) const = 0;
};

/// Channels of the standard dependencies.
enum StandardChannel : uint32_t {
  LocalChannel = 0,
  LlmForwardChannel,
  LlmBackwardChannel,
  EncoderFeatureChannel,
  EncoderGradientChannel,
  GeneratorInputChannel,
  GeneratorGradientChannel,
};

/// The dependencies of a program of which only costs are known (the design's schedules.md):
/// with P the LLM's ranks, r counted among them,
///   F(0, 0, m)      needs EF(m mod P, m div P)
///   F(r, v, m)      needs F(r-1, v, m), or F(P-1, v-1, m) for r = 0
///   G(r, u)         needs F(P-1, V-1, uP+r)
///   B(P-1, V-1, m)  needs its forward, and G(m mod P, m div P) where there is a generator
///   B(r, v, m)      needs its forward and B(r+1, v, m), or B(0, v+1, m) for r = P-1
///   EB(r, u)        needs EF(r, u) and B(0, 0, uP+r)
///   W               needs its own B
/// where a placement keeps encoder and generator on other ranks, EF, EB and G are on the rank that
/// it says, for that microbatch. A split generator: GF as G above, GB needs its GF, and B(P-1, V-1,
/// m) needs GB.
class StandardDependencies final : public Dependencies {
public:
  explicit StandardDependencies(Workload workload, bool splitGenerator = false);
  void append(uint32_t rank, const Action &consumer,
              std::vector<Dependency> &producers) const override;

private:
  Workload workload;
  RankRange llm, encoder, generator;
  bool splitGenerator;
};

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_DEPENDENCIES_H
