//===- SplitSearch.cpp - Searches schedules with a split backward ---------===//

#include "SplitSearch.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace bigmac::planning {

namespace {

/// Makespans this close are equal: sums in another order differ by rounding.
constexpr double equalMakespan = 1e-9;

/// What a plan holds, to choose among equals: fewer units, shorter warm-ups, fewer waiting.
auto holds(const SplitPlan &plan) {
  return std::tuple(std::max(plan.shape.window, plan.earlyUnits),
                    plan.shape.extra + plan.shape.longer, plan.waiting, plan);
}

class Descent {
public:
  Descent(PlanEvaluator &evaluator, const SplitBounds &bounds, uint64_t budget)
      : evaluator(evaluator), bounds(bounds), budget(budget) {}

  void run(const SplitPlan &start) {
    best = start;
    bestScore = consider(start);
    bool improved = true;
    while (improved && evaluator.work() < budget) {
      improved = false;
      for (auto vary : {&Descent::shares, &Descent::fills, &Descent::windows, &Descent::warmups,
                        &Descent::waitings})
        improved |= tryAll((this->*vary)());
    }
    std::sort(found.begin(), found.end(), [](const Found &a, const Found &b) {
      return std::tie(a.makespan, a.plan) < std::tie(b.makespan, b.plan);
    });
  }

  std::vector<SplitPlan> fastest(size_t count) const {
    std::vector<SplitPlan> plans;
    for (const Found &entry : found)
      if (plans.size() < count && entry.plan != best)
        plans.push_back(entry.plan);
    if (bestScore.over == 0)
      plans.insert(plans.begin(), best);
    if (plans.size() > count)
      plans.resize(count);
    return plans;
  }

  std::vector<SplitPlan> shapesWithin(double tolerance, size_t count) const {
    std::vector<SplitPlan> plans = fastest(1);
    for (const Found &entry : found) {
      const bool known = std::any_of(plans.begin(), plans.end(), [&](const SplitPlan &plan) {
        return plan.shape == entry.plan.shape;
      });
      if (plans.size() < count && !known && entry.makespan <= bestScore.makespan * (1 + tolerance))
        plans.push_back(entry.plan);
    }
    return plans;
  }

private:
  struct Found {
    double makespan;
    SplitPlan plan;
  };

  /// What plans are compared by: first the bytes above the memory limit, so that a search that
  /// starts above it comes down to it, then the makespan.
  struct Score {
    uint64_t over = std::numeric_limits<uint64_t>::max();
    double makespan = std::numeric_limits<double>::infinity();

    bool less(const Score &other) const {
      return over != other.over ? over < other.over
                                : makespan < other.makespan * (1 - equalMakespan);
    }
    bool equal(const Score &other) const {
      return over == other.over && makespan < std::numeric_limits<double>::infinity() &&
             makespan <= other.makespan * (1 + equalMakespan);
    }
  };

  Score consider(const SplitPlan &plan) {
    const SplitOutcome outcome = evaluator.evaluate(plan);
    if (outcome.makespan == std::numeric_limits<double>::infinity())
      return {};
    const std::optional<uint64_t> &limit = evaluator.problem().problem->memoryLimit;
    const Score score{limit && outcome.bytes > *limit ? outcome.bytes - *limit : 0,
                      outcome.makespan};
    if (score.over == 0)
      found.push_back({outcome.makespan, plan});
    return score;
  }

  bool tryAll(const std::vector<SplitPlan> &plans) {
    bool improved = false;
    for (const SplitPlan &plan : plans) {
      if (plan == best || evaluator.work() >= budget)
        continue;
      const Score score = consider(plan);
      if (!score.less(bestScore) && !(score.equal(bestScore) && holds(plan) < holds(best)))
        continue;
      best = plan;
      bestScore = {score.over, score.over == bestScore.over
                                   ? std::min(score.makespan, bestScore.makespan)
                                   : score.makespan};
      improved = true;
    }
    return improved;
  }

  template <typename Change> std::vector<SplitPlan> changed(Change change) const {
    std::vector<SplitPlan> plans;
    change([&](auto set) {
      SplitPlan plan = best;
      set(plan);
      plans.push_back(plan);
    });
    return plans;
  }

  std::vector<SplitPlan> shares() {
    return changed([](auto add) {
      for (uint32_t share : {4u, 3u, 2u, 0u})
        add([=](SplitPlan &plan) { plan.share = share; });
    });
  }
  std::vector<SplitPlan> fills() {
    if (bounds.units == 0)
      return {};
    return changed([&](auto add) {
      for (bool late : {false, true})
        for (bool justInTime : {false, true})
          for (uint32_t early : {0u, best.shape.window, bounds.units})
            add([=](SplitPlan &plan) {
              plan.lateBackwards = late;
              plan.shape.justInTime = justInTime;
              plan.earlyUnits = early;
            });
    });
  }
  std::vector<SplitPlan> windows() {
    if (bounds.units == 0)
      return {};
    return changed([&](auto add) {
      for (int step : {-1, 1, 2}) {
        int64_t window = int64_t(best.shape.window) + step;
        if (window >= 1 && window <= bounds.units)
          add([=](SplitPlan &plan) {
            plan.shape.window = static_cast<uint32_t>(window);
            plan.earlyUnits =
                plan.earlyUnits == 0 ? 0 : std::max(plan.earlyUnits, plan.shape.window);
          });
      }
    });
  }
  std::vector<SplitPlan> warmups() {
    return changed([&](auto add) {
      const uint32_t behind = best.shape.extra - bounds.leastExtra;
      for (uint32_t more : {0u, 1u, behind / 2, behind + 1, 2 * behind + 2})
        if (bounds.leastExtra + more <= bounds.mostExtra)
          for (uint32_t waiting : {best.waiting, bounds.waiting})
            add([=, extra = bounds.leastExtra + more](SplitPlan &plan) {
              plan.shape.extra = extra;
              plan.waiting = waiting;
            });
      const uint32_t now = best.shape.longer;
      for (uint32_t longer :
           {0u, now / 2, now == 0 ? 0 : now - 1, now + 1, 2 * now + 2, bounds.longer})
        // A longer warm-up may pay only if more may wait, too.
        for (uint32_t waiting : {best.waiting, bounds.waiting})
          if (longer <= bounds.longer)
            add([=](SplitPlan &plan) {
              plan.shape.longer = longer;
              plan.waiting = waiting;
            });
    });
  }
  std::vector<SplitPlan> waitings() {
    return changed([&](auto add) {
      const uint32_t now = best.waiting;
      for (uint32_t waiting : {bounds.waiting, now * 2, now + 1, now * 3 / 4, now / 2, now / 4,
                               now == 0 ? 0 : now - 1})
        if (waiting <= bounds.waiting)
          add([=](SplitPlan &plan) { plan.waiting = waiting; });
    });
  }

  PlanEvaluator &evaluator;
  SplitBounds bounds;
  uint64_t budget;
  SplitPlan best;
  Score bestScore;
  std::vector<Found> found;
};

} // namespace

PlanEvaluator::PlanEvaluator(const SplitProblem &split, uint32_t held)
    : split(split), held(held), orders(split), filler(split) {}

FilledOrders PlanEvaluator::fill(const SplitPlan &plan) {
  if (!shape || *shape != plan.shape) {
    main = orders.build(plan.shape);
    shape = plan.shape;
    timed += split.graph.size();
  }
  if (main.empty())
    return {};
  timed += split.graph.size();
  FillPolicy policy;
  policy.waiting = plan.waiting;
  policy.held = held;
  policy.earlyUnits = plan.earlyUnits;
  policy.lateBackwards = plan.lateBackwards;
  policy.share = plan.share / 4.0;
  policy.bytes = split.problem->memoryLimit;
  return filler.run(main, policy);
}

SplitOutcome PlanEvaluator::evaluate(const SplitPlan &plan) {
  auto [entry, isNew] = known.try_emplace(plan);
  if (!isNew)
    return entry->second;
  FilledOrders filled = fill(plan);
  if (!filled.complete)
    return entry->second;
  entry->second.makespan = filled.makespan;
  if (split.problem->memoryLimit) {
    entry->second.bytes = split.peakBytes(filled.orders, filled.finish);
    least = std::min(least, entry->second.bytes);
  }
  return entry->second;
}

IdOrders PlanEvaluator::build(const SplitPlan &plan) { return fill(plan).orders; }

std::vector<SplitPlan> searchPlans(PlanEvaluator &evaluator, const SplitPlan &start,
                                   const SplitBounds &bounds, uint64_t budget, size_t count) {
  Descent descent(evaluator, bounds, budget);
  descent.run(start);
  return descent.fastest(count);
}

std::vector<SplitPlan> searchShapes(PlanEvaluator &evaluator, const SplitPlan &start,
                                    const SplitBounds &bounds, uint64_t budget, size_t count,
                                    double tolerance) {
  Descent descent(evaluator, bounds, budget);
  descent.run(start);
  return descent.shapesWithin(tolerance, count);
}

} // namespace bigmac::planning
