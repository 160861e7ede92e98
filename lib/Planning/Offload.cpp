//===- Offload.cpp - What waits in the host's memory ----------------------===//

#include "bigmac/Planning/Offload.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace bigmac::planning {

namespace {

/// Gaps with the same two actions, as far as they are offloaded.
struct Group {
  uint32_t after = 0, before = 0;
  uint64_t gaps = 0, bytes = 0;
  double seconds = 0;
  Trip trip;
};

/// One rank's copies.
class RankCopies {
public:
  RankCopies(const RankTimes &times, const Link &host) : times(times), host(host) {
    // Times that differ by rounding are equal, so that each microbatch is treated alike.
    rounding = times.end.empty() ? 0 : 1e-9 * times.end.back();
  }

  /// All gaps that may be offloaded, before anything else.
  void declare(std::span<const Gap> gaps) {
    for (const Gap &gap : gaps)
      groups.push_back({gap.after, gap.before, 0, 0, 0, {}});
  }
  void finish() {
    auto key = [](const Group &group) { return std::pair(group.after, group.before); };
    std::sort(groups.begin(), groups.end(),
              [&](const Group &a, const Group &b) { return key(a) < key(b); });
    groups.erase(std::unique(groups.begin(), groups.end(),
                             [&](const Group &a, const Group &b) { return key(a) == key(b); }),
                 groups.end());
    for (uint32_t i = 0; i < groups.size(); ++i)
      byBefore.push_back(i);
    std::sort(byBefore.begin(), byBefore.end(), [&](uint32_t a, uint32_t b) {
      return std::pair(groups[a].before, groups[a].after) >
             std::pair(groups[b].before, groups[b].after);
    });
  }

  Group &groupOf(const Gap &gap) {
    return *std::lower_bound(groups.begin(), groups.end(), gap, [](const Group &a, const Gap &b) {
      return std::pair(a.after, a.before) < std::pair(b.after, b.before);
    });
  }
  const std::vector<Group> &all() const { return groups; }

  /// Trips of all groups that have gaps; returns the seconds that the rank waits.
  double plan() {
    // What has no time for its copies does not hold up the others'.
    out.clear();
    back.clear();
    for (Group &group : groups) {
      group.trip = {};
      group.seconds = static_cast<double>(group.gaps) * host.latency +
                      static_cast<double>(group.bytes) / host.bandwidth;
      if (enough(group))
        out.push_back(&group);
    }
    for (uint32_t i : byBefore)
      if (enough(groups[i]))
        back.push_back(&groups[i]);
    for (;;) {
      double exposed = copyOut() + copyBack();
      auto lost = [](const Group *group) { return !group->trip.made(); };
      size_t before = out.size();
      std::erase_if(back, lost);
      std::erase_if(out, lost);
      if (out.size() == before)
        return exposed;
    }
  }

private:
  /// Whether it has gaps, and would have time for them alone.
  bool enough(const Group &group) const {
    return group.gaps > 0 &&
           times.end[group.after] + 2 * group.seconds <= times.start[group.before];
  }
  double waited(double seconds) const { return seconds > rounding ? seconds : 0; }

  /// Returns the seconds waited for.
  double copyOut() {
    double exposed = 0, free = 0;
    const auto count = static_cast<uint32_t>(times.start.size());
    auto starts = times.start.begin();
    for (size_t i = 0; i < out.size(); ++i) {
      Group &group = *out[i];
      size_t next = i + 1;
      while (next < out.size() && out[next]->after == group.after)
        ++next;
      uint32_t latest = next < out.size() ? out[next]->after + 1 : count;
      double finish = std::max(free, times.end[group.after]) + group.seconds;
      auto gone = std::lower_bound(starts + group.after + 1, starts + latest, finish - rounding);
      group.trip.gone = static_cast<uint32_t>(gone - starts);
      // Where the rank waits, all that follows moves with it.
      double stall = 0;
      if (group.trip.gone < count)
        stall = waited(finish - times.start[group.trip.gone]);
      exposed += stall;
      free = finish - stall;
    }
    return exposed;
  }

  /// Each as late as the ones after it leave room for.
  double copyBack() {
    double exposed = 0, busy = std::numeric_limits<double>::infinity();
    auto starts = times.start.begin();
    for (size_t i = 0; i < back.size(); ++i) {
      Group &group = *back[i];
      size_t next = i + 1;
      while (next < back.size() && back[next]->before == group.before)
        ++next;
      uint32_t earliest = next < back.size() ? back[next]->before : 0;
      double finish = std::min(busy, times.start[group.before]);
      double start = finish - group.seconds;
      auto later = std::upper_bound(starts + earliest, starts + group.before + 1, start + rounding);
      group.trip.back = std::max(static_cast<uint32_t>(later - starts), earliest + 1) - 1;
      double stall = waited(times.start[group.trip.back] - start);
      exposed += stall;
      busy = start + stall;
    }
    return exposed;
  }

  const RankTimes &times;
  Link host;
  double rounding = 0;
  /// By `after`, then `before`.
  std::vector<Group> groups;
  /// By decreasing `before`, then `after`.
  std::vector<uint32_t> byBefore;
  /// Those that are copied, in both orders.
  std::vector<Group *> out, back;
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
    for (const RankTimes &times : problem.times)
      copies.emplace_back(times, problem.host);
    for (const OffloadValue &value : problem.values)
      for (const OffloadValue::Use &use : value.uses)
        copies[use.rank].declare(use.gaps);
    for (RankCopies &rank : copies)
      rank.finish();
    for (uint32_t rank = 0; rank < problem.times.size(); ++rank)
      states.push_back(evaluate(rank));
  }

  OffloadChoice run() {
    do
      take();
    while (missing() > 0 && leap());
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

  RankState evaluate(uint32_t rank) {
    RankState state;
    state.exposed = copies[rank].plan();
    const std::vector<uint64_t> &live = problem.live[rank];
    std::vector<int64_t> device(live.size() + 1, 0), host(live.size() + 2, 0);
    for (const Group &group : copies[rank].all()) {
      if (!group.trip.made())
        continue;
      auto bytes = static_cast<int64_t>(group.bytes);
      device[group.trip.gone] -= bytes;
      device[group.trip.back] += bytes;
      // Until the action that uses it has the copy.
      host[group.after + 1] += bytes;
      host[group.before + 1] -= bytes;
    }
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

  void move(uint32_t value, bool away) {
    taken[value] = away;
    for (const OffloadValue::Use &use : problem.values[value].uses)
      for (const Gap &gap : use.gaps) {
        Group &group = copies[use.rank].groupOf(gap);
        group.gaps += away ? 1 : -1;
        group.bytes += away ? gap.bytes : -gap.bytes;
      }
  }

  /// With `value` taken or not: the states of its ranks.
  std::vector<RankState> with(uint32_t value, bool away) {
    std::vector<RankState> result;
    bool before = taken[value];
    move(value, away);
    for (const OffloadValue::Use &use : problem.values[value].uses)
      result.push_back(evaluate(use.rank));
    move(value, before);
    return result;
  }

  void set(uint32_t value, bool away, const std::vector<RankState> &changed) {
    move(value, away);
    for (size_t i = 0; i < changed.size(); ++i)
      states[problem.values[value].uses[i].rank] = changed[i];
  }

  /// What taking `value` saves of the missing bytes for each second; 0 where it cannot be taken.
  double worthOf(uint32_t value, const std::vector<RankState> &changed) const {
    // Copies that are hidden cost next to nothing: what saves the most comes first.
    constexpr double kHidden = 1e-9;
    double saved = 0, seconds = 0;
    for (size_t i = 0; i < changed.size(); ++i) {
      const RankState &old = states[problem.values[value].uses[i].rank];
      saved += old.excess - changed[i].excess;
      seconds += changed[i].exposed - old.exposed;
      if (changed[i].host > problem.hostLimit)
        return 0;
    }
    if (saved <= 0 || seconds > problem.values[value].recomputeSeconds)
      return 0;
    return saved / std::max(seconds, kHidden);
  }

  void take() {
    // What a value is worth falls as others are taken: the one that was worth the most is looked at
    // again, and taken if it still is.
    struct Candidate {
      double worth;
      uint32_t value;
      bool operator<(const Candidate &other) const {
        return worth != other.worth ? worth < other.worth : value > other.value;
      }
    };
    std::priority_queue<Candidate> candidates;
    for (uint32_t value = 0; value < taken.size() && missing() > 0; ++value)
      candidates.push({worthOf(value, with(value, true)), value});
    while (missing() > 0 && !candidates.empty()) {
      Candidate best = candidates.top();
      candidates.pop();
      std::vector<RankState> changed = with(best.value, true);
      best.worth = worthOf(best.value, changed);
      if (best.worth == 0)
        continue;
      if (!candidates.empty() && best < candidates.top())
        candidates.push(best);
      else
        set(best.value, true, changed);
    }
  }

  bool onFullRank(uint32_t value) const {
    const std::vector<OffloadValue::Use> &uses = problem.values[value].uses;
    return std::any_of(uses.begin(), uses.end(), [this](const OffloadValue::Use &use) {
      return states[use.rank].excess > 0;
    });
  }

  /// One value more may make all copies of its group take an action longer, and save less than that
  /// costs, where several more save more. Takes the largest that are left, as many as are best;
  /// false where none are.
  bool leap() {
    std::vector<std::pair<uint64_t, uint32_t>> order;
    for (uint32_t value = 0; value < taken.size(); ++value)
      if (!taken[value] && onFullRank(value))
        order.push_back({~bytesOf(value), value});
    std::sort(order.begin(), order.end());
    double least = missing(), seconds = 0, instead = 0;
    size_t best = 0, tried = 0;
    for (const auto &[bytes, value] : order) {
      std::vector<RankState> changed = with(value, true);
      for (size_t i = 0; i < changed.size(); ++i)
        seconds += changed[i].exposed - states[problem.values[value].uses[i].rank].exposed;
      instead += problem.values[value].recomputeSeconds;
      set(value, true, changed);
      ++tried;
      bool room = std::all_of(states.begin(), states.end(), [this](const RankState &state) {
        return state.host <= problem.hostLimit;
      });
      if (!room)
        break;
      if (missing() < least && seconds <= instead) {
        least = missing();
        best = tried;
      }
      if (least == 0)
        break;
    }
    for (size_t i = tried; i > best; --i)
      set(order[i - 1].second, false, with(order[i - 1].second, false));
    return best > 0;
  }

  uint64_t bytesOf(uint32_t value) const {
    uint64_t bytes = 0;
    for (const OffloadValue::Use &use : problem.values[value].uses)
      for (const Gap &gap : use.gaps)
        bytes += gap.bytes;
    return bytes;
  }

  /// Of values that are taken: what ranks would wait less without it, and its bytes.
  std::pair<double, uint64_t> cost(uint32_t value) {
    std::vector<RankState> without = with(value, false);
    double seconds = 0;
    for (size_t i = 0; i < without.size(); ++i)
      seconds += states[problem.values[value].uses[i].rank].exposed - without[i].exposed;
    return {seconds, bytesOf(value)};
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
  /// By rank.
  std::vector<RankCopies> copies;
  std::vector<RankState> states;
};

} // namespace

Trips planTrips(const RankTimes &times, std::span<const Gap> gaps, const Link &host) {
  RankCopies copies(times, host);
  copies.declare(gaps);
  copies.finish();
  for (const Gap &gap : gaps) {
    Group &group = copies.groupOf(gap);
    ++group.gaps;
    group.bytes += gap.bytes;
  }
  Trips trips;
  trips.exposed = copies.plan();
  for (const Group &group : copies.all())
    if (group.trip.made())
      trips.seconds += 2 * group.seconds;
  for (const Gap &gap : gaps)
    trips.of.push_back(copies.groupOf(gap).trip);
  return trips;
}

double OffloadChoice::mostExposed() const {
  return exposed.empty() ? 0 : *std::max_element(exposed.begin(), exposed.end());
}

OffloadChoice chooseOffload(const OffloadProblem &problem) { return Chooser(problem).run(); }

} // namespace bigmac::planning
