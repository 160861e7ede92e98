//===- Offload.cpp - What waits in the host's memory ----------------------===//

#include "bigmac/Planning/Offload.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace bigmac::planning {

namespace {

/// Gaps with the same two actions.
struct Group {
  uint32_t after, before;
  double seconds = 0;
  std::vector<size_t> gaps;
  Trip trip;
};

/// One rank's copies.
class TripPlanner {
public:
  TripPlanner(const RankTimes &times, std::span<const Gap> gaps, const Link &host) : times(times) {
    std::map<std::pair<uint32_t, uint32_t>, Group> byActions;
    for (size_t i = 0; i < gaps.size(); ++i) {
      const Gap &gap = gaps[i];
      Group &group = byActions[{gap.after, gap.before}];
      group.after = gap.after;
      group.before = gap.before;
      group.seconds += host.secondsOf(static_cast<double>(gap.bytes));
      group.gaps.push_back(i);
    }
    for (auto &[actions, group] : byActions)
      groups.push_back(std::move(group));
    // Times that differ by rounding are equal, so that each microbatch is treated alike.
    rounding = times.end.empty() ? 0 : 1e-9 * times.end.back();
  }

  Trips run(size_t gaps) {
    Trips trips;
    // What has no time for its copies does not hold up the others'.
    std::erase_if(groups, [this](const Group &group) {
      return times.end[group.after] + 2 * group.seconds > times.start[group.before];
    });
    for (;;) {
      trips.exposed = copyOut() + copyBack();
      size_t before = groups.size();
      std::erase_if(groups, [](const Group &group) { return !group.trip.made(); });
      if (groups.size() == before)
        break;
    }
    trips.of.resize(gaps);
    for (const Group &group : groups) {
      trips.seconds += 2 * group.seconds;
      for (size_t gap : group.gaps)
        trips.of[gap] = group.trip;
    }
    return trips;
  }

private:
  double waited(double seconds) const { return seconds > rounding ? seconds : 0; }

  /// By increasing `after`. Returns the seconds waited for.
  double copyOut() {
    double exposed = 0, free = 0;
    const auto count = static_cast<uint32_t>(times.start.size());
    for (size_t i = 0; i < groups.size(); ++i) {
      Group &group = groups[i];
      size_t next = i + 1;
      while (next < groups.size() && groups[next].after == group.after)
        ++next;
      uint32_t latest = next < groups.size() ? groups[next].after + 1 : count;
      double finish = std::max(free, times.end[group.after]) + group.seconds;
      auto begin = times.start.begin();
      auto gone = std::lower_bound(begin + group.after + 1, times.start.end(), finish - rounding);
      group.trip.gone = std::min(static_cast<uint32_t>(gone - begin), latest);
      // Where the rank waits, all that follows moves with it.
      double stall = 0;
      if (group.trip.gone < count)
        stall = waited(finish - times.start[group.trip.gone]);
      exposed += stall;
      free = finish - stall;
    }
    return exposed;
  }

  /// By decreasing `before`: each as late as the ones after it leave room for.
  double copyBack() {
    std::vector<Group *> order;
    for (Group &group : groups)
      order.push_back(&group);
    std::sort(order.begin(), order.end(), [](const Group *a, const Group *b) {
      return std::pair(a->before, a->after) > std::pair(b->before, b->after);
    });
    double exposed = 0, busy = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < order.size(); ++i) {
      Group &group = *order[i];
      size_t next = i + 1;
      while (next < order.size() && order[next]->before == group.before)
        ++next;
      uint32_t earliest = next < order.size() ? order[next]->before : 0;
      double finish = std::min(busy, times.start[group.before]);
      double start = finish - group.seconds;
      auto begin = times.start.begin();
      auto later = std::upper_bound(begin, begin + group.before + 1, start + rounding);
      uint32_t back = later == begin ? 0 : static_cast<uint32_t>(later - begin) - 1;
      group.trip.back = std::max(back, earliest);
      double stall = waited(times.start[group.trip.back] - start);
      exposed += stall;
      busy = start + stall;
    }
    return exposed;
  }

  const RankTimes &times;
  std::vector<Group> groups;
  double rounding = 0;
};

/// What one rank holds with some values offloaded.
struct RankState {
  uint64_t device = 0, host = 0;
  double exposed = 0;
  /// Over all actions, what the device holds above the limit.
  double excess = 0;
};

class Chooser {
public:
  explicit Chooser(const OffloadProblem &problem) : problem(problem), taken(problem.values.size()) {
    usesOf.resize(problem.times.size());
    for (size_t value = 0; value < problem.values.size(); ++value)
      for (const OffloadValue::Use &use : problem.values[value].uses)
        usesOf[use.rank].push_back({value, &use});
    for (uint32_t rank = 0; rank < problem.times.size(); ++rank)
      states.push_back(evaluate(rank));
  }

  OffloadChoice run() {
    while (missing() > 0 && takeBest())
      ;
    if (missing() == 0)
      relax();
    OffloadChoice choice;
    for (uint32_t value = 0; value < taken.size(); ++value)
      if (taken[value])
        choice.values.push_back(value);
    choice.fits = missing() == 0;
    for (const RankState &state : states) {
      choice.deviceBytes.push_back(state.device);
      choice.hostBytes.push_back(state.host);
      choice.exposed.push_back(state.exposed);
    }
    return choice;
  }

private:
  double missing() const {
    double sum = 0;
    for (const RankState &state : states)
      sum += state.excess;
    return sum;
  }

  RankState evaluate(uint32_t rank) const {
    std::vector<Gap> gaps;
    for (const auto &[value, use] : usesOf[rank])
      if (taken[value])
        gaps.insert(gaps.end(), use->gaps.begin(), use->gaps.end());
    Trips trips = planTrips(problem.times[rank], gaps, problem.host);
    const std::vector<uint64_t> &live = problem.live[rank];
    std::vector<int64_t> device(live.size() + 1, 0), host(live.size() + 2, 0);
    for (size_t i = 0; i < gaps.size(); ++i) {
      if (!trips.of[i].made())
        continue;
      auto bytes = static_cast<int64_t>(gaps[i].bytes);
      device[trips.of[i].gone] -= bytes;
      device[trips.of[i].back] += bytes;
      // Until the action that uses it has the copy.
      host[gaps[i].after + 1] += bytes;
      host[gaps[i].before + 1] -= bytes;
    }
    RankState state;
    state.exposed = trips.exposed;
    int64_t there = 0, away = 0;
    for (size_t at = 0; at < live.size(); ++at) {
      there += device[at];
      away += host[at];
      auto bytes = static_cast<uint64_t>(static_cast<int64_t>(live[at]) + there);
      state.device = std::max(state.device, bytes);
      state.host = std::max(state.host, static_cast<uint64_t>(away));
      if (bytes > problem.limit[rank])
        state.excess += static_cast<double>(bytes - problem.limit[rank]);
    }
    return state;
  }

  /// With `value` taken or not: the states of its ranks.
  std::vector<RankState> with(uint32_t value, bool take) {
    std::vector<RankState> result;
    bool before = taken[value];
    taken[value] = take;
    for (const OffloadValue::Use &use : problem.values[value].uses)
      result.push_back(evaluate(use.rank));
    taken[value] = before;
    return result;
  }

  void set(uint32_t value, bool take, const std::vector<RankState> &changed) {
    taken[value] = take;
    for (size_t i = 0; i < changed.size(); ++i)
      states[problem.values[value].uses[i].rank] = changed[i];
  }

  bool takeBest() {
    // Copies that are hidden cost next to nothing: what saves the most comes first.
    constexpr double kHidden = 1e-9;
    double best = 0;
    uint32_t bestValue = 0;
    std::vector<RankState> bestStates;
    for (uint32_t value = 0; value < taken.size(); ++value) {
      if (taken[value])
        continue;
      std::vector<RankState> changed = with(value, true);
      double saved = 0, seconds = 0;
      bool room = true;
      for (size_t i = 0; i < changed.size(); ++i) {
        const RankState &old = states[problem.values[value].uses[i].rank];
        saved += old.excess - changed[i].excess;
        seconds += changed[i].exposed - old.exposed;
        room &= changed[i].host <= problem.hostLimit;
      }
      if (saved <= 0 || !room || seconds > problem.values[value].recomputeSeconds)
        continue;
      double worth = saved / std::max(seconds, kHidden);
      if (worth > best) {
        best = worth;
        bestValue = value;
        bestStates = std::move(changed);
      }
    }
    if (best == 0)
      return false;
    set(bestValue, true, bestStates);
    return true;
  }

  /// Of values that are taken: what ranks would wait less without it, and its bytes.
  std::pair<double, uint64_t> cost(uint32_t value) {
    std::vector<RankState> without = with(value, false);
    double seconds = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < without.size(); ++i) {
      const OffloadValue::Use &use = problem.values[value].uses[i];
      seconds += states[use.rank].exposed - without[i].exposed;
      for (const Gap &gap : use.gaps)
        bytes += gap.bytes;
    }
    return {seconds, bytes};
  }

  void relax() {
    std::vector<std::pair<std::pair<double, uint64_t>, uint32_t>> order;
    for (uint32_t value = 0; value < taken.size(); ++value)
      if (taken[value])
        order.push_back({cost(value), value});
    std::sort(order.begin(), order.end(), [](const auto &a, const auto &b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (const auto &[seconds, value] : order) {
      std::vector<RankState> without = with(value, false);
      if (std::all_of(without.begin(), without.end(),
                      [](const RankState &state) { return state.excess == 0; }))
        set(value, false, without);
    }
  }

  const OffloadProblem &problem;
  std::vector<bool> taken;
  std::vector<std::vector<std::pair<size_t, const OffloadValue::Use *>>> usesOf;
  std::vector<RankState> states;
};

} // namespace

Trips planTrips(const RankTimes &times, std::span<const Gap> gaps, const Link &host) {
  return TripPlanner(times, gaps, host).run(gaps.size());
}

double OffloadChoice::mostExposed() const {
  return exposed.empty() ? 0 : *std::max_element(exposed.begin(), exposed.end());
}

OffloadChoice chooseOffload(const OffloadProblem &problem) { return Chooser(problem).run(); }

} // namespace bigmac::planning
