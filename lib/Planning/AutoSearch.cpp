//===- AutoSearch.cpp - Chooses ranks, chunks, replicas, schedule ---------===//

#include "bigmac/Planning/AutoSearch.h"
#include "AutoEvaluation.h"
#include "bigmac/Planning/Limits.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <tuple>

namespace bigmac::planning {

namespace {

bool takesOneChunk(ScheduleKind kind) {
  return kind == ScheduleKind::OneForwardOneBackward || kind == ScheduleKind::GPipe ||
         kind == ScheduleKind::Zb;
}

std::string count(uint64_t n, const char *noun) {
  std::string text = std::to_string(n) + " " + noun;
  if (n != 1)
    text += text.ends_with("ch") ? "es" : "s";
  return text;
}

Status checkProblem(const AutoProblem &problem) {
  if (problem.layers.empty())
    return Error{"there is nothing to arrange: the LLM has no layers"};
  if (problem.schedules.empty())
    return Error{"no schedule to try"};
  if (problem.world == 0 || problem.microbatches == 0)
    return Error{"expected at least one device and one microbatch, found " +
                 std::to_string(problem.world) + " and " + std::to_string(problem.microbatches)};
  if (problem.world > maxRanks || problem.microbatches > maxMicrobatches)
    return Error{"a world of " + std::to_string(problem.world) + " devices and " +
                 std::to_string(problem.microbatches) + " microbatches is larger than the " +
                 std::to_string(maxRanks) + " and " + std::to_string(maxMicrobatches) +
                 " that are planned for"};
  if (problem.memoryLimit == 0)
    return Error{"expected the bytes of a device, found 0"};
  uint64_t ranks = problem.ranks.value_or(1), replicas = problem.replicas.value_or(1);
  bool fits = ranks != 0 && replicas != 0 && problem.world % (ranks * replicas) == 0 &&
              (!problem.ranks || !problem.replicas || ranks * replicas == problem.world);
  if (!fits)
    return Error{count(ranks, "rank") + " x " + count(replicas, "replica") +
                 " do not make up a world of " + std::to_string(problem.world)};
  if (problem.chunks && *problem.chunks == 0)
    return Error{"expected at least one chunk, found 0"};
  auto check = [&](const PieceCosts &piece) {
    bool rising = !piece.points.empty();
    for (size_t i = 1; i < piece.points.size(); ++i)
      rising &= piece.points[i].seconds >= piece.points[i - 1].seconds &&
                piece.points[i].bytesPerSecond <= piece.points[i - 1].bytesPerSecond;
    return rising;
  };
  bool good = std::ranges::all_of(problem.layers, check) &&
              (!problem.encoder || check(*problem.encoder)) &&
              (!problem.generator || check(*problem.generator));
  if (!good)
    return Error{"each piece needs points of recomputation, from nothing to everything"};
  return Status::success();
}

/// Every choice of ranks, chunks and schedule that the problem leaves open.
std::vector<AutoCandidate> enumerate(const AutoProblem &problem) {
  std::vector<AutoCandidate> all;
  for (uint32_t ranks = 1; ranks <= problem.world; ++ranks) {
    if (problem.world % ranks != 0 || (problem.ranks && ranks != *problem.ranks) ||
        (problem.replicas && problem.world / ranks != *problem.replicas))
      continue;
    AutoCandidate candidate;
    candidate.ranks = ranks;
    candidate.replicas = problem.world / ranks;
    uint32_t layers = static_cast<uint32_t>(problem.layers.size());
    if (ranks > layers) {
      candidate.schedule = problem.schedules.front();
      candidate.rejected = count(ranks, "rank") + " for " + count(layers, "layer");
      all.push_back(candidate);
      continue;
    }
    if (problem.microbatches % candidate.replicas != 0) {
      candidate.schedule = problem.schedules.front();
      candidate.rejected = count(problem.microbatches, "microbatch") + " for " +
                           count(candidate.replicas, "replica");
      all.push_back(candidate);
      continue;
    }
    candidate.microbatches = static_cast<uint32_t>(problem.microbatches / candidate.replicas);
    // One rank gains nothing from chunks.
    uint32_t most = ranks == 1 ? 1 : std::min(layers / ranks, maxChunks);
    for (uint32_t chunks = 1; chunks <= std::max(most, problem.chunks.value_or(1)); ++chunks) {
      if (problem.chunks && chunks != *problem.chunks)
        continue;
      candidate.chunks = chunks;
      for (ScheduleKind kind : problem.schedules) {
        if (chunks > 1 && takesOneChunk(kind))
          continue;
        // With one chunk it is another name for 1f1b.
        if (chunks == 1 && kind == ScheduleKind::Interleaved &&
            std::ranges::find(problem.schedules, ScheduleKind::OneForwardOneBackward) !=
                problem.schedules.end())
          continue;
        candidate.schedule = kind;
        candidate.rejected.clear();
        if (uint64_t(ranks) * chunks > layers)
          candidate.rejected =
              count(uint64_t(ranks) * chunks, "stage") + " for " + count(layers, "layer");
        all.push_back(candidate);
      }
    }
  }
  return all;
}

std::string shortNumber(double value, const char *format) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string row(const std::vector<std::string> &cells, const std::vector<size_t> &widths) {
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i)
      text += "  ";
    // The schedule's name and the reason are text, the others numbers.
    std::string pad(widths[i] > cells[i].size() ? widths[i] - cells[i].size() : 0, ' ');
    text += i == 4 || i == 5 ? cells[i] + pad : pad + cells[i];
  }
  while (!text.empty() && text.back() == ' ')
    text.pop_back();
  return text + "\n";
}

} // namespace

size_t AutoRanking::feasible() const {
  return std::ranges::count_if(candidates,
                               [](const AutoCandidate &c) { return c.rejected.empty(); });
}

std::string recomputeName(double bytesPerSecond) {
  if (bytesPerSecond == std::numeric_limits<double>::infinity())
    return "none";
  return bytesPerSecond == 0 ? "full" : shortNumber(bytesPerSecond, "%.3g");
}

/// Steps this close are equal as far as predictions go.
static constexpr double closeSteps = 1.01;

/// To the front the candidate that has the fewest stages of those about as fast as the first: what
/// predictions leave out, transfers beside kernels and smaller tasks, grows with stages.
static void preferFewStages(AutoRanking &ranking) {
  auto first = ranking.candidates.begin();
  auto close = std::find_if(first, first + ranking.feasible(), [&](const AutoCandidate &c) {
    return c.step > closeSteps * first->step;
  });
  auto fewest = std::ranges::min_element(
      first, close, {}, [](const AutoCandidate &c) { return uint64_t(c.ranks) * c.chunks; });
  std::rotate(first, fewest, fewest + 1);
}

Result<AutoRanking> autoSearch(const AutoProblem &problem) {
  if (Status status = checkProblem(problem); !status)
    return status.error();
  AutoRanking ranking;
  ranking.candidates = enumerate(problem);
  uint64_t least = UINT64_MAX;
  for (AutoCandidate &candidate : ranking.candidates)
    if (candidate.rejected.empty())
      least = std::min(least, evaluateCandidate(problem, candidate));

  // Steps that differ by rounding are equal.
  double quantum = std::numeric_limits<double>::infinity();
  for (const AutoCandidate &candidate : ranking.candidates)
    if (candidate.rejected.empty())
      quantum = std::min(quantum, 1e-9 * candidate.step);
  auto time = [&](const AutoCandidate &c) {
    return quantum > 0 ? std::round(c.step / quantum) : c.step;
  };
  auto place = [&](const AutoCandidate &c) {
    return std::ranges::find(problem.schedules, c.schedule) - problem.schedules.begin();
  };
  std::ranges::sort(ranking.candidates, [&](const AutoCandidate &a, const AutoCandidate &b) {
    if (a.rejected.empty() != b.rejected.empty())
      return a.rejected.empty();
    if (!a.rejected.empty())
      return std::tuple(a.ranks, a.chunks, place(a)) < std::tuple(b.ranks, b.chunks, place(b));
    return std::tuple(time(a), a.peakBytes, a.ranks, a.chunks, place(a)) <
           std::tuple(time(b), b.peakBytes, b.ranks, b.chunks, place(b));
  });
  if (ranking.feasible() != 0) {
    preferFewStages(ranking);
    return ranking;
  }
  if (least == UINT64_MAX)
    return Error{ranking.candidates.empty()
                     ? std::string("no schedule takes what is fixed")
                     : "no arrangement is possible: " + ranking.candidates.front().rejected};
  return Error{"nothing fits in " + std::to_string(problem.memoryLimit) +
               " bytes a device; the least that any arrangement needs is about " +
               std::to_string(least)};
}

std::string describeRanking(const AutoRanking &ranking, size_t most) {
  std::vector<std::vector<std::string>> rows = {
      {"P", "V", "D", "M", "schedule", "recompute", "step s", "bubble", "bytes", ""}};
  size_t feasible = ranking.feasible(), hidden = 0;
  for (size_t i = 0; i < ranking.candidates.size(); ++i) {
    const AutoCandidate &c = ranking.candidates[i];
    bool good = c.rejected.empty();
    if ((good ? i : i - feasible) >= most) {
      ++hidden;
      continue;
    }
    std::vector<std::string> cells = {std::to_string(c.ranks), std::to_string(c.chunks),
                                      std::to_string(c.replicas),
                                      good || c.step > 0 ? std::to_string(c.microbatches) : "",
                                      std::string(scheduleName(c.schedule))};
    if (c.step > 0) {
      cells.push_back(recomputeName(c.recompute));
      cells.push_back((c.extended ? "~" : "") + shortNumber(c.step, "%.4g"));
      cells.push_back(shortNumber(100 * c.bubble, "%.1f%%"));
      cells.push_back(std::to_string(c.peakBytes));
    } else {
      cells.insert(cells.end(), {"", "", "", ""});
    }
    cells.push_back(good ? (i == 0 ? "chosen" : "") : "rejected: " + c.rejected);
    rows.push_back(std::move(cells));
  }
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto &cells : rows)
    for (size_t i = 0; i + 1 < cells.size(); ++i)
      widths[i] = std::max(widths[i], cells[i].size());
  std::string text;
  for (const auto &cells : rows)
    text += row(cells, widths);
  if (hidden)
    text += "and " + std::to_string(hidden) + " more\n";
  return text;
}

} // namespace bigmac::planning
