//===- GapFiller.h - Deferrable work into the gaps of an order --*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_SEARCH_GAPFILLER_H
#define BIGMAC_LIB_PLANNING_SEARCH_GAPFILLER_H

#include "SplitProblem.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace bigmac::planning {

/// What goes into gaps, and what may wait for one.
struct FillPolicy {
  static constexpr uint32_t noLimit = std::numeric_limits<uint32_t>::max();

  /// Most weight gradients that wait on a rank; 0: each directly behind its backward.
  uint32_t waiting = 0;
  /// Most chunks held on a rank, from a forward to the end of its backward or weight gradient: with
  /// so many, a waiting weight gradient comes before the next forward. What the order itself holds
  /// may be more.
  uint32_t held = noLimit;
  /// Encoder forwards fill gaps ahead of their place, as long as fewer units than this are alive.
  uint32_t earlyUnits = 0;
  /// Encoder backwards that no forward waits behind (the last units') fill gaps behind their place.
  bool lateBackwards = false;
  /// Work goes into a gap of at least this part of its time; 1: only where it fits.
  double share = 1;
  /// Most activation bytes on a rank: a weight gradient goes first where the next action would
  /// exceed it. What the order itself holds may be more.
  std::optional<uint64_t> bytes;
};

/// Orders and the times at which they ran.
struct FilledOrders {
  IdOrders orders;
  /// By id; negative for what did not run.
  std::vector<double> finish;
  double makespan = 0;
  /// False: a deadlock.
  bool complete = false;
};

/// Runs `main`, an order of all actions except weight gradients, in time on all ranks. Where a rank
/// would wait for the next action of its order it runs a weight gradient (oldest first), an encoder
/// forward that comes later in the order, or an encoder backward that came before. Nothing waits
/// for weight gradients and encoder backwards, and forwards only come earlier than in `main`: if
/// that is free of deadlock, so is the result.
class GapFiller {
public:
  explicit GapFiller(const SplitProblem &split) : split(split) {}
  FilledOrders run(const IdOrders &main, const FillPolicy &policy);

private:
  struct Rank {
    size_t next = 0;
    /// When it decides next; infinite while it waits to be woken.
    double decision = 0;
    double freeAt = 0;
    uint32_t held = 0;
    uint32_t aliveUnits = 0;
    int64_t bytes = 0;
    /// Weight gradients that have become possible, and how many of them have run.
    std::vector<uint32_t> weights;
    size_t weightsRun = 0;
    /// The rank's encoder forwards in order, and how many of the first of them have run.
    std::vector<uint32_t> forwards;
    size_t forwardsRun = 0;
    /// Encoder backwards whose place in the order has passed.
    std::vector<uint32_t> late;
    /// Who waits for an action of this rank: (action, rank).
    std::vector<std::pair<uint32_t, uint32_t>> waiters;
    size_t waiting() const { return weights.size() - weightsRun; }
  };

  double readyAt(uint32_t id, uint32_t &missing) const;
  double earliest(uint32_t id, double now, unsigned depth) const;
  void decide(uint32_t rank, double now);
  bool mustReduce(uint32_t rank, const Action &head) const;
  bool fillGap(uint32_t rank, double now, double gap);
  void finishRank(uint32_t rank, double now);
  void waitFor(uint32_t rank, uint32_t missing);
  void runWeight(uint32_t rank, double now);
  bool runLate(uint32_t rank, double now, double gap);
  void start(uint32_t rank, uint32_t id, double now);
  void account(Rank &state, uint32_t rank, uint32_t id, const Action &action);
  int64_t bytesBefore(uint32_t rank, const Action &action) const;
  int64_t bytesAfter(uint32_t rank, const Action &action) const;
  void decideAt(uint32_t rank, double time);

  const SplitProblem &split;
  const IdOrders *main = nullptr;
  FillPolicy policy;
  std::vector<Rank> ranks;
  FilledOrders result;
  /// (time, rank): a heap, earliest first, then the lower rank.
  std::vector<std::pair<double, uint32_t>> decisions;
};

/// Every weight gradient directly behind its backward: not slower than the unsplit backward.
IdOrders weightGradientsAtOnce(const SplitProblem &split, const IdOrders &main);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_SEARCH_GAPFILLER_H
