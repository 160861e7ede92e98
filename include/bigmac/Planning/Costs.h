//===- Costs.h - Seconds and bytes of a step's actions ----------*- C++ -*-===//

#ifndef BIGMAC_PLANNING_COSTS_H
#define BIGMAC_PLANNING_COSTS_H

#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace bigmac::planning {

/// A figure for every index of something: one value that holds for all, or a list with one value
/// each.
template <typename T> class PerIndex {
public:
  PerIndex() : values{T{}} {}
  PerIndex(T value) : values{value} {}
  PerIndex(std::vector<T> list) : values(std::move(list)), list(true) {}

  /// The figure for `index`; a list must have it (validateCosts).
  const T &at(size_t index) const { return list ? values[index] : values.front(); }
  bool isList() const { return list; }
  /// Values stored: 1 unless a list.
  size_t size() const { return values.size(); }
  const std::vector<T> &stored() const { return values; }

private:
  std::vector<T> values;
  bool list = false;
};

/// The most bytes that one action may hold: then those of all actions together fit in 64 bits.
inline constexpr uint64_t maxActivationBytes = uint64_t(1) << 39;

/// Bytes that actions hold, each at most maxActivationBytes. Zero where unknown.
struct ActivationBytes {
  /// By stage: one LLM forward's, from the forward to the end of its backward.
  PerIndex<uint64_t> llm;
  /// By stage: what a waiting weight gradient holds, from the end of its backward to its own end.
  PerIndex<uint64_t> weightGradient;
  /// One encoder forward's, until its backward ends (frozen: until the unit's last forward at stage
  /// 0 ends).
  uint64_t encoder = 0;
  /// One generator forward's, until its backward ends.
  uint64_t generator = 0;
};

/// Seconds for one microbatch. LLM figures by stage, for one chunk; encoder and
/// generator figures by microbatch, for the whole component on one rank.
struct Costs {
  PerIndex<double> llmForward;
  /// Null: there is no backward at that stage, as nothing at or before it is trained.
  PerIndex<std::optional<double>> llmBackwardInput;
  /// 0: the stage is frozen, it has no weight gradient.
  PerIndex<double> llmBackwardWeight;

  struct Part {
    PerIndex<double> forward;
    /// Absent: no gradient leaves this component's input. A frozen encoder. A generator without it
    /// runs only forward (its loss is reported, not trained on); the last stage's backwards still
    /// come after it.
    std::optional<PerIndex<double>> backward;
  };
  std::optional<Part> encoder;
  std::optional<Part> generator;

  /// Latency of a dependency between different ranks; neither of them is busy.
  double transfer = 0;
  std::optional<ActivationBytes> activationBytes;
};

/// Checks list lengths against L*V stages and M microbatches, every number (finite, not negative,
/// at most 1e15), and frozen parts (stages without a backward come first and have no weight
/// gradient). `llmRanks` is the ranks that hold the LLM: all P of them unless a placement says
/// otherwise.
Status validateCosts(const Costs &costs, uint32_t llmRanks, uint32_t chunks, uint32_t microbatches);

/// What the standard dependencies ask for besides: a trained encoder's gradient comes out of stage
/// 0, so every stage has a backward.
Status validateStandardCosts(const Costs &costs, uint32_t llmRanks, uint32_t chunks);

/// The actions that these (valid) costs give.
Workload workloadOf(const Costs &costs, uint32_t ranks, uint32_t chunks, uint32_t microbatches,
                    const std::optional<RankPlacement> &placement = std::nullopt);

/// How times vary from those that a schedule is made for. A draw depends on the seed and on which
/// action it is, not on the schedule: two schedules are compared under the same times.
struct Jitter {
  /// Every action's time is multiplied by a factor drawn evenly from [1 - amount, 1 + amount].
  double amount = 0;
  uint64_t seed = 0;
  /// The encoder's and the generator's times are in proportion to their images (imagesIn), with the
  /// given time as the mean; forward and backward of a microbatch have the same images.
  bool images = false;

  bool none() const { return amount == 0 && !images; }
};

/// A heavy-tailed number of images, for one microbatch of a component: n or more images with
/// probability (4 / (n + 3))^2, a Pareto distribution of exponent 2, whole numbers from 1 to
/// mostImages. More than half of all microbatches have 1 or 2 images, one in nine 9 or more, one in
/// a hundred 37 or more; the mean is meanImages().
uint32_t imagesIn(const Jitter &jitter, Component component, uint32_t microbatch);
inline constexpr uint32_t mostImages = 64;
double meanImages();

/// Seconds that `action` takes on `rank`. With a split backward, `Backward` is the input gradient
/// alone.
double secondsOf(const Costs &costs, const Schedule &schedule, uint32_t rank, const Action &action,
                 const Jitter &jitter = {});

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_COSTS_H
