//===- Recompute.cpp - What to compute again to fit in memory -------------===//

#include "bigmac/Planning/Recompute.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace bigmac::planning {

namespace {

int64_t asSigned(uint64_t bytes) { return static_cast<int64_t>(bytes); }

/// By rank: the most that one backward takes while it runs; one runs at a time.
std::vector<int64_t> workspaces(const RecomputeProblem &problem,
                                const std::vector<uint32_t> &levels) {
  std::vector<int64_t> most(problem.bytes.size(), 0);
  for (size_t task = 0; task < problem.tasks.size(); ++task)
    for (const RecomputeTask::Use &use : problem.tasks[task].uses)
      most[use.rank] = std::max(most[use.rank],
                                asSigned(problem.tasks[task].levels[levels[task]].workspaceBytes));
  return most;
}

/// What is missing on all ranks together.
int64_t excess(const RecomputeProblem &problem, const std::vector<uint32_t> &levels) {
  int64_t sum = 0;
  for (int64_t bytes : estimateBytes(problem, levels))
    sum += std::max<int64_t>(0, bytes - asSigned(problem.limit));
  return sum;
}

double cost(const RecomputeTask &task, uint32_t level) {
  uint64_t runs = 0;
  for (const RecomputeTask::Use &use : task.uses)
    runs = std::max(runs, use.runs);
  return task.levels[level].seconds * static_cast<double>(runs);
}

/// The move that saves the most of what is missing for each second; false where none saves any.
bool raise(const RecomputeProblem &problem, std::vector<uint32_t> &levels, int64_t missing) {
  double best = 0;
  size_t bestTask = 0;
  uint32_t bestLevel = 0;
  for (size_t task = 0; task < problem.tasks.size(); ++task) {
    uint32_t from = levels[task];
    const RecomputeTask &own = problem.tasks[task];
    for (uint32_t to = from + 1; to < own.levels.size(); ++to) {
      levels[task] = to;
      int64_t saved = missing - excess(problem, levels);
      levels[task] = from;
      if (saved <= 0)
        continue;
      double seconds = cost(own, to) - cost(own, from);
      double worth =
          static_cast<double>(saved) / std::max(seconds, std::numeric_limits<double>::min());
      if (worth > best) {
        best = worth;
        bestTask = task;
        bestLevel = to;
      }
    }
  }
  if (best == 0)
    return false;
  levels[bestTask] = bestLevel;
  return true;
}

/// Lowers what is not needed, the dearest first.
void relax(const RecomputeProblem &problem, std::vector<uint32_t> &levels) {
  std::vector<size_t> order(problem.tasks.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    double first = cost(problem.tasks[a], levels[a]), second = cost(problem.tasks[b], levels[b]);
    return first != second ? first > second : a < b;
  });
  for (size_t task : order)
    for (uint32_t lower = 0, level = levels[task]; lower < level; ++lower) {
      levels[task] = lower;
      if (excess(problem, levels) == 0)
        break;
      levels[task] = level;
    }
}

} // namespace

std::vector<int64_t> estimateBytes(const RecomputeProblem &problem,
                                   const std::vector<uint32_t> &levels) {
  std::vector<int64_t> bytes(problem.bytes.begin(), problem.bytes.end());
  std::vector<int64_t> before = workspaces(problem, problem.measured);
  std::vector<int64_t> after = workspaces(problem, levels);
  for (size_t rank = 0; rank < bytes.size(); ++rank)
    bytes[rank] += after[rank] - before[rank];
  for (size_t task = 0; task < problem.tasks.size(); ++task) {
    const RecomputeTask &own = problem.tasks[task];
    int64_t change = asSigned(own.levels[levels[task]].heldBytes) -
                     asSigned(own.levels[problem.measured[task]].heldBytes);
    for (const RecomputeTask::Use &use : own.uses)
      bytes[use.rank] += change * asSigned(use.held);
  }
  return bytes;
}

double addedSeconds(const RecomputeProblem &problem, const std::vector<uint32_t> &levels) {
  std::vector<double> seconds(problem.bytes.size(), 0);
  for (size_t task = 0; task < problem.tasks.size(); ++task)
    for (const RecomputeTask::Use &use : problem.tasks[task].uses)
      seconds[use.rank] +=
          problem.tasks[task].levels[levels[task]].seconds * static_cast<double>(use.runs);
  return seconds.empty() ? 0 : *std::max_element(seconds.begin(), seconds.end());
}

RecomputeChoice chooseRecompute(const RecomputeProblem &problem) {
  RecomputeChoice choice;
  choice.levels.assign(problem.tasks.size(), 0);
  while (int64_t missing = excess(problem, choice.levels)) {
    if (raise(problem, choice.levels, missing))
      continue;
    // Two tasks of a rank may have to rise together before the larger workspace falls.
    std::vector<uint32_t> least = leastMemory(problem);
    if (excess(problem, least) < missing)
      choice.levels = std::move(least);
    break;
  }
  choice.fits = excess(problem, choice.levels) == 0;
  if (choice.fits)
    relax(problem, choice.levels);
  return choice;
}

std::vector<uint32_t> leastMemory(const RecomputeProblem &problem) {
  // The workspace is a maximum over a rank's tasks: for every bound on it, each task takes what
  // holds least within. The least sum over ranks wins.
  std::vector<uint64_t> bounds;
  for (const RecomputeTask &task : problem.tasks)
    for (const RecomputeLevel &level : task.levels)
      bounds.push_back(level.workspaceBytes);
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  std::vector<uint32_t> best(problem.tasks.size(), 0);
  auto size = [&](const std::vector<uint32_t> &levels) {
    std::vector<int64_t> bytes = estimateBytes(problem, levels);
    int64_t most = bytes.empty() ? 0 : *std::max_element(bytes.begin(), bytes.end());
    return std::pair(most, std::accumulate(bytes.begin(), bytes.end(), int64_t(0)));
  };
  for (uint64_t bound : bounds) {
    std::vector<uint32_t> levels(problem.tasks.size(), 0);
    for (size_t task = 0; task < problem.tasks.size(); ++task) {
      const std::vector<RecomputeLevel> &own = problem.tasks[task].levels;
      for (uint32_t level = 1; level < own.size(); ++level) {
        bool within = own[level].workspaceBytes <= bound;
        bool had = own[levels[task]].workspaceBytes <= bound;
        if ((within && !had) ||
            (within == had && own[level].heldBytes < own[levels[task]].heldBytes))
          levels[task] = level;
      }
    }
    if (size(levels) < size(best))
      best = std::move(levels);
  }
  return best;
}

uint64_t mostHeld(const Schedule &schedule, uint32_t rank, Component component, uint32_t chunk) {
  // The last phase that a microbatch of the component has ends it.
  Phase last = Phase::Forward;
  for (const Action &action : schedule.orders[rank])
    if (action.component == component && action.chunk == chunk)
      last = std::max(last, action.phase);
  uint64_t held = 0, most = 0;
  for (const Action &action : schedule.orders[rank]) {
    if (action.component != component || action.chunk != chunk)
      continue;
    if (action.phase == Phase::Forward)
      most = std::max(most, ++held);
    if (action.phase == last && held != 0)
      --held;
  }
  return most;
}

} // namespace bigmac::planning
