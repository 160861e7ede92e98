//===- Reference.cpp - A slow, plain check of schedules -------------------===//

#include "Reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <tuple>

namespace bigmac::test {

using namespace planning;

Costs costsOf(const Even &even) {
  Costs costs;
  costs.llmForward = even.forward;
  costs.llmBackwardInput = std::optional<double>(even.backward / 2);
  costs.llmBackwardWeight = even.backward / 2;
  if (even.encoderForward > 0)
    costs.encoder = Costs::Part{even.encoderForward, PerIndex<double>(even.encoderBackward)};
  if (even.generatorForward > 0)
    costs.generator = Costs::Part{even.generatorForward, PerIndex<double>(even.generatorBackward)};
  costs.transfer = even.transfer;
  return costs;
}

Problem problemOf(uint32_t ranks, uint32_t chunks, uint32_t microbatches, const Costs &costs) {
  Problem problem;
  problem.ranks = ranks;
  problem.chunks = chunks;
  problem.microbatches = microbatches;
  problem.costs = costs;
  return problem;
}

std::optional<Built> build(ScheduleKind kind, const Problem &given) {
  Problem problem = given;
  if (kind == ScheduleKind::SeparateStages && !problem.placement) {
    Result<Split> split = searchSplit(problem);
    if (!split) {
      ADD_FAILURE() << split.message();
      return std::nullopt;
    }
    problem = withSplit(problem, *split);
  }
  Result<Schedule> schedule = buildSchedule(kind, problem);
  if (!schedule) {
    ADD_FAILURE() << schedule.message();
    return std::nullopt;
  }
  StandardDependencies dependencies(workloadOf(problem.costs, problem.ranks, problem.chunks,
                                               problem.microbatches, problem.placement));
  Result<Timing> timing = execute(*schedule, dependencies, problem.costs);
  if (!timing) {
    ADD_FAILURE() << timing.message();
    return std::nullopt;
  }
  Result<Figures> figures = measure(*schedule, *timing, dependencies, problem.costs);
  if (!figures) {
    ADD_FAILURE() << figures.message();
    return std::nullopt;
  }
  return Built{std::move(problem), std::move(*schedule), std::move(*timing), std::move(*figures)};
}

namespace {

/// (kind, stage of an LLM action, microbatch): unique over all ranks.
using Name = std::tuple<std::string, uint32_t, uint32_t>;

struct Entry {
  uint32_t rank;
  double start, end;
};

class Checker {
public:
  explicit Checker(const Built &built)
      : problem(built.problem), built(built),
        llm(problem.placement ? problem.placement->llm : RankRange{0, problem.ranks}) {}

  std::string check() {
    collect();
    checkPresence();
    for (const auto &[name, entry] : entries)
      checkTimes(name, entry);
    checkFigures();
    return fault;
  }

private:
  template <typename... Parts> void report(const Parts &...parts) {
    if (!fault.empty())
      return;
    std::ostringstream text;
    (text << ... << parts);
    fault = text.str();
  }

  static std::string show(const Name &name) {
    return std::get<0>(name) + " stage " + std::to_string(std::get<1>(name)) + " microbatch " +
           std::to_string(std::get<2>(name));
  }

  void collect() {
    for (uint32_t r = 0; r < problem.ranks; ++r) {
      double free = 0;
      for (size_t i = 0; i < built.schedule.orders[r].size(); ++i) {
        const Action &action = built.schedule.orders[r][i];
        bool isLlm = action.component == Component::Llm;
        Name name(kindName(action), isLlm ? action.chunk * llm.count + r - llm.first : 0,
                  action.microbatch);
        double start = built.timing.start[r][i], end = built.timing.end[r][i];
        if (start < free)
          report(show(name), " starts at ", start, ", its rank is busy until ", free);
        previousEnd[name] = free;
        free = end;
        RankRange home = llm;
        if (!isLlm && problem.placement)
          home = action.component == Component::Encoder ? problem.placement->encoder
                                                        : problem.placement->generator;
        if (r < home.first || r >= home.first + home.count ||
            (!isLlm && (home.first + action.microbatch % home.count != r ||
                        action.microbatch / home.count != action.unit)))
          report(show(name), " is on the wrong rank or in the wrong unit");
        if (!entries.emplace(name, Entry{r, start, end}).second)
          report(show(name), " is there twice");
      }
    }
  }

  bool hasBackward(uint32_t stage) const {
    return problem.costs.llmBackwardInput.at(stage).has_value();
  }

  /// Whether the stage's weight gradient is an action of its own.
  bool hasSplitWeight(uint32_t stage) const {
    return built.schedule.splitBackward && problem.costs.llmBackwardWeight.at(stage) > 0;
  }

  void checkPresence() {
    std::map<Name, double> expected;
    const Costs &costs = problem.costs;
    uint32_t stages = llm.count * problem.chunks;
    for (uint32_t m = 0; m < problem.microbatches; ++m) {
      for (uint32_t s = 0; s < stages; ++s) {
        expected[Name("F", s, m)] = costs.llmForward.at(s);
        if (hasBackward(s))
          expected[Name("B", s, m)] = *costs.llmBackwardInput.at(s) +
                                      (hasSplitWeight(s) ? 0.0 : costs.llmBackwardWeight.at(s));
        if (hasSplitWeight(s))
          expected[Name("W", s, m)] = costs.llmBackwardWeight.at(s);
      }
      if (costs.encoder)
        expected[Name("EF", 0, m)] = costs.encoder->forward.at(m);
      if (costs.encoder && costs.encoder->backward)
        expected[Name("EB", 0, m)] = costs.encoder->backward->at(m);
      if (costs.generator)
        expected[Name("G", 0, m)] =
            costs.generator->forward.at(m) +
            (costs.generator->backward ? costs.generator->backward->at(m) : 0.0);
    }
    for (const auto &[name, seconds] : expected) {
      auto found = entries.find(name);
      if (found == entries.end())
        report(show(name), " is missing");
      else if (std::abs(found->second.end - found->second.start - seconds) >
               1e-9 * (1 + found->second.end))
        report(show(name), " takes ", found->second.end - found->second.start, ", not ", seconds);
    }
    if (entries.size() != expected.size())
      report("there are ", entries.size(), " actions, expected ", expected.size());
  }

  std::vector<Name> needs(const Name &name) const {
    auto [kind, stage, m] = name;
    uint32_t last = llm.count * problem.chunks - 1;
    std::vector<Name> result;
    if (kind == "F" && stage > 0)
      result.emplace_back("F", stage - 1, m);
    if (kind == "F" && stage == 0 && problem.costs.encoder)
      result.emplace_back("EF", 0, m);
    if (kind == "B") {
      result.emplace_back("F", stage, m);
      if (stage < last)
        result.emplace_back("B", stage + 1, m);
      else if (problem.costs.generator)
        result.emplace_back("G", 0, m);
    }
    if (kind == "W")
      result.emplace_back("B", stage, m);
    if (kind == "G")
      result.emplace_back("F", last, m);
    if (kind == "EB") {
      result.emplace_back("EF", 0, m);
      result.emplace_back("B", 0, m);
    }
    return result;
  }

  void checkTimes(const Name &name, const Entry &entry) {
    double earliest = previousEnd[name];
    for (const Name &needed : needs(name)) {
      auto found = entries.find(needed);
      if (found == entries.end()) {
        report(show(name), " needs ", show(needed), ", which is not there");
        continue;
      }
      double transfer = found->second.rank == entry.rank ? 0 : problem.costs.transfer;
      earliest = std::max(earliest, found->second.end + transfer);
    }
    if (entry.start != earliest)
      report(show(name), " starts at ", entry.start, ", not at the earliest time ", earliest);
  }

  void checkFigures() {
    double makespan = 0, total = 0;
    std::vector<double> work(problem.ranks, 0);
    for (const auto &[name, entry] : entries) {
      makespan = std::max(makespan, entry.end);
      work[entry.rank] += entry.end - entry.start;
      total += entry.end - entry.start;
    }
    double bound = *std::max_element(work.begin(), work.end());
    auto near = [&](double a, double b) { return std::abs(a - b) <= 1e-9 * (1 + makespan); };
    if (built.figures.makespan != makespan)
      report("makespan ", built.figures.makespan, ", counted ", makespan);
    if (!near(built.figures.bound, bound))
      report("bound ", built.figures.bound, ", counted ", bound);
    if (makespan > 0 && !near(built.figures.bubble * makespan, makespan - total / problem.ranks))
      report("bubble ", built.figures.bubble, ", counted ", 1 - total / (problem.ranks * makespan));
    if (built.figures.actions != entries.size())
      report("actions ", built.figures.actions, ", counted ", entries.size());
    if (built.figures.peakLlmMicrobatches != peakChunks() / problem.chunks)
      report("LLM microbatches ", built.figures.peakLlmMicrobatches, ", counted ",
             peakChunks() / problem.chunks);
    if (built.figures.peakPendingWeightGradients != peakWaiting())
      report("waiting weight gradients ", built.figures.peakPendingWeightGradients, ", counted ",
             peakWaiting());
    if (problem.costs.encoder && problem.costs.encoder->backward &&
        built.figures.peakEncoderUnits != peakOrdered("EF", "EB"))
      report("encoder units ", built.figures.peakEncoderUnits, ", counted ",
             peakOrdered("EF", "EB"));
  }

  /// Chunk activations held, in the rank's own order.
  double peakChunks() const {
    double most = 0;
    for (uint32_t r = 0; r < problem.ranks; ++r) {
      double held = 0;
      for (const Action &action : built.schedule.orders[r]) {
        if (action.component != Component::Llm ||
            !hasBackward(action.chunk * llm.count + r - llm.first))
          continue;
        if (action.phase == Phase::Forward)
          most = std::max(most, ++held);
        else if (action.phase == Phase::WeightGradient ||
                 !hasSplitWeight(action.chunk * problem.ranks + r))
          --held;
      }
    }
    return most;
  }

  /// Weight gradients that wait, in the rank's own order.
  uint32_t peakWaiting() const {
    uint32_t most = 0;
    for (uint32_t r = 0; r < problem.ranks; ++r) {
      uint32_t waiting = 0;
      for (const Action &action : built.schedule.orders[r]) {
        if (action.component != Component::Llm || !hasSplitWeight(action.chunk * problem.ranks + r))
          continue;
        if (action.phase == Phase::Backward)
          most = std::max(most, ++waiting);
        else if (action.phase == Phase::WeightGradient)
          --waiting;
      }
    }
    return most;
  }

  uint32_t peakOrdered(std::string_view begin, std::string_view end) const {
    uint32_t most = 0;
    for (uint32_t r = 0; r < problem.ranks; ++r) {
      uint32_t held = 0;
      for (const Action &action : built.schedule.orders[r]) {
        if (kindName(action) == begin)
          most = std::max(most, ++held);
        else if (kindName(action) == end)
          --held;
      }
    }
    return most;
  }

  const Problem &problem;
  const Built &built;
  RankRange llm;
  std::map<Name, Entry> entries;
  std::map<Name, double> previousEnd;
  std::string fault;
};

} // namespace

std::string findFault(const Built &built) { return Checker(built).check(); }

} // namespace bigmac::test
