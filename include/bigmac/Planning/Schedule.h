//===- Schedule.h - Typed actions and their order on each rank --*- C++ -*-===//
//
// P ranks, V chunks a rank, M microbatches. Unless a RankPlacement says otherwise every component is on
// all ranks: LLM stage s = v*P + r is chunk v on rank r, and a unit u is the microbatches
// uP .. uP+P-1; rank r runs the whole encoder and the whole generator for microbatch uP+r of it.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_SCHEDULE_H
#define BIGMAC_PLANNING_SCHEDULE_H

#include "bigmac/Planning/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bigmac::planning {

enum class Component : uint8_t { Llm, Encoder, Generator };

/// `Backward` is the whole backward, or only the input gradient where the schedule splits it (then
/// the weights' gradients are `WeightGradient` actions). `ForwardBackward` is the generator's,
/// whose two halves run together.
enum class Phase : uint8_t { Forward, Backward, WeightGradient, ForwardBackward };

/// The ranks first .. first+count-1.
struct RankRange {
  uint32_t first = 0;
  uint32_t count = 0;

  uint32_t end() const { return first + count; }
  uint32_t last() const { return first + count - 1; }
  bool contains(uint32_t rank) const { return rank >= first && rank - first < count; }
  /// Who replicates a component works on the microbatches in turn.
  uint32_t rankOf(uint32_t microbatch) const { return first + microbatch % count; }
  friend bool operator==(const RankRange &, const RankRange &) = default;
};

/// Which ranks hold which component. The LLM's stages go around its ranks: stage s = v*L + i is
/// chunk v on its i-th of L ranks. Encoder and generator are replicated on each of their ranks,
/// which take the microbatches in turn: microbatch m is run by number m mod e of e ranks, in unit
/// m div e. A component that the program does not have has no ranks (count 0).
struct RankPlacement {
  RankRange llm, encoder, generator;

  static RankPlacement everywhere(uint32_t ranks) { return {{0, ranks}, {0, ranks}, {0, ranks}}; }
  RankRange of(Component component) const {
    return component == Component::Llm       ? llm
           : component == Component::Encoder ? encoder
                                             : generator;
  }
  friend bool operator==(const RankPlacement &, const RankPlacement &) = default;
};

/// One piece of work of a rank. The rank is not in it: an action lives in its rank's order.
struct Action {
  Component component = Component::Llm;
  Phase phase = Phase::Forward;
  /// The LLM chunk; 0 for the other components.
  uint16_t chunk = 0;
  /// Always the real microbatch, from 0.
  uint32_t microbatch = 0;
  /// The unit of an encoder or generator action (microbatch / ranks); 0 for the LLM.
  uint32_t unit = 0;

  friend bool operator==(const Action &, const Action &) = default;

  static Action llm(Phase phase, uint32_t chunk, uint32_t microbatch) {
    return {Component::Llm, phase, static_cast<uint16_t>(chunk), microbatch, 0};
  }
  /// Of a component that every rank replicates: rank r's share of unit u is microbatch u*ranks + r.
  static Action ofUnit(Component component, Phase phase, uint32_t unit, uint32_t ranks,
                       uint32_t rank) {
    return {component, phase, 0, unit * ranks + rank, unit};
  }
  /// Of a component that `range` replicates: what range.rankOf(microbatch) runs for it.
  static Action ofMicrobatch(Component component, Phase phase, uint32_t microbatch,
                             RankRange range) {
    return {component, phase, 0, microbatch, microbatch / range.count};
  }
};
static_assert(sizeof(Action) <= 16, "millions of these are held at once");

/// "F", "B", "W", "EF", "EB", "GF", "GB", "G": the spelling of reports and traces. "?" for a pair
/// that does not exist (an encoder has no weight gradient action of its own).
std::string_view kindName(const Action &action);

/// "llm", "encoder", "generator".
std::string_view componentName(Component component);

/// For messages: "F(chunk 1, microbatch 5) on rank 2", "EF(unit 3, microbatch 13) on rank 1".
std::string describe(uint32_t rank, const Action &action);

/// A schedule: what every rank runs, in order. Times are not part of it: Executor.h derives them.
struct Schedule {
  uint32_t ranks = 0;
  uint32_t chunks = 0;
  uint32_t microbatches = 0;
  /// Absent: every component is on all ranks.
  std::optional<RankPlacement> placement;
  /// orders[r] is what rank r runs, first to last.
  std::vector<std::vector<Action>> orders;
  /// Encoder units in flight (0 without an encoder).
  uint32_t window = 0;
  /// Forwards that each rank runs ahead, beyond the LLM order's own warm-up (a generator needs
  /// them).
  uint32_t warmupExtra = 0;
  /// `Backward` is only the input gradient, and `WeightGradient` actions exist.
  bool splitBackward = false;
  /// The generator runs as `Forward` and `Backward` actions instead of `ForwardBackward`.
  bool splitGenerator = false;

  uint64_t actionCount() const;
  RankRange ranksOf(Component component) const;
  /// LLM stages, and the stage of a chunk on a rank that has the LLM.
  uint32_t stages() const { return ranksOf(Component::Llm).count * chunks; }
  uint32_t stageOf(uint32_t rank, uint32_t chunk) const {
    RankRange llm = ranksOf(Component::Llm);
    return chunk * llm.count + rank - llm.first;
  }
};

/// Which actions a training step has. The verifier checks a schedule against it; the standard
/// dependencies follow from it. From costs: `workloadOf` (Costs.h); a compiler fills it from its
/// program.
struct Workload {
  uint32_t ranks = 0;
  uint32_t chunks = 0;
  uint32_t microbatches = 0;
  /// Absent: every component is on all ranks.
  std::optional<RankPlacement> placement;
  bool hasEncoder = false;
  /// False for a frozen encoder: there are no encoder backwards.
  bool encoderBackward = false;
  bool hasGenerator = false;
  /// By LLM stage: whether a backward exists there. Where nothing is trained at or
  /// before a stage there is none, so the stages without one come first.
  std::vector<bool> stageBackward;
  /// By stage: whether it has weight gradients.
  std::vector<bool> stageWeightGradient;

  RankRange ranksOf(Component component) const;
  uint32_t stages() const { return ranksOf(Component::Llm).count * chunks; }
  uint32_t stageOf(uint32_t rank, uint32_t chunk) const {
    RankRange llm = ranksOf(Component::Llm);
    return chunk * llm.count + rank - llm.first;
  }
  /// Groups of as many microbatches as the component has ranks, the last one possibly partial.
  uint32_t unitsOf(Component component) const;
  bool anyBackward() const;
};

/// Actions that rank `rank` has to run, each once, in a fixed (not executable) order.
std::vector<Action> actionsOf(const Workload &workload, uint32_t rank, bool splitBackward,
                              bool splitGenerator);

/// That each component's ranks exist, and that the LLM has some.
Status checkPlacement(const std::optional<RankPlacement> &placement, uint32_t ranks);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_SCHEDULE_H
