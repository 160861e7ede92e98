//===- Report.cpp - Figures as JSON and as a table ------------------------===//

#include "Report.h"
#include "OutputFile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace bigmac::sim {

using namespace planning;

namespace {

/// The shortest text that reads back as the same number.
void appendNumber(std::string &text, double value) {
  std::array<char, 32> buffer;
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  text.append(buffer.data(), error == std::errc() ? end : buffer.data());
}

std::string shortNumber(double value) {
  std::array<char, 32> buffer;
  std::snprintf(buffer.data(), buffer.size(), "%.6g", value);
  return buffer.data();
}

std::string percent(double fraction) {
  std::array<char, 32> buffer;
  std::snprintf(buffer.data(), buffer.size(), "%.2f%%", 100 * fraction);
  return buffer.data();
}

/// How far the makespan is above the tight bound, of the bound.
double aboveBound(const Figures &figures) {
  return figures.tightBound > 0 ? std::max(0.0, figures.makespan / figures.tightBound - 1) : 0.0;
}

std::string line(const std::string &name, const std::string &value) {
  std::string padded = name;
  padded.resize(std::max<size_t>(padded.size(), 18), ' ');
  return padded + value + "\n";
}

/// Ranks that have nothing but the component; the LLM's are all others.
struct OwnRanks {
  uint32_t encoder = 0, llm = 0, generator = 0;
};

OwnRanks ownRanks(const Simulation &simulation) {
  const RankPlacement &placement = simulation.split->placement;
  return {placement.llm.first, placement.llm.count,
          simulation.schedule.ranks - placement.llm.end()};
}

} // namespace

static nlohmann::ordered_json jsonFigures(const Simulation &simulation) {
  const Schedule &schedule = simulation.schedule;
  const Figures &figures = simulation.figures;
  nlohmann::ordered_json report;
  report["schedule"] = scheduleName(simulation.kind);
  report["ranks"] = schedule.ranks;
  report["chunks"] = schedule.chunks;
  report["microbatches"] = schedule.microbatches;
  if (simulation.split) {
    OwnRanks own = ownRanks(simulation);
    report["split"] = {{"encoder", own.encoder}, {"llm", own.llm}, {"generator", own.generator}};
  }
  report["makespan"] = figures.makespan;
  report["bound"] = figures.bound;
  report["tight_bound"] = figures.tightBound;
  report["bubble"] = figures.bubble;
  report["window"] = schedule.window;
  report["warmup_extra"] = schedule.warmupExtra;
  report["peak_units"] = {{"encoder", figures.peakEncoderUnits},
                          {"generator", figures.peakGeneratorUnits}};
  report["peak_llm_microbatches"] = figures.peakLlmMicrobatches;
  report["peak_pending_w"] = figures.peakPendingWeightGradients;
  if (!figures.peakBytes.empty())
    report["peak_bytes"] = figures.peakBytes;
  report["actions"] = figures.actions;
  if (!simulation.jitter.none()) {
    report["jitter"] = {{"amount", simulation.jitter.amount},
                        {"seed", simulation.jitter.seed},
                        {"planned_makespan", simulation.plannedMakespan}};
    if (simulation.jitter.images)
      report["jitter"]["images"] = true;
  }
  if (!simulation.robustness.empty()) {
    report["robustness"] = {{"first_seed", simulation.jitter.seed}, {"seeds", robustnessSeeds}};
    for (const Spread &spread : simulation.robustness)
      report["robustness"]["variations"].push_back({{"name", spread.variation.name},
                                                    {"amount", spread.variation.amount},
                                                    {"images", spread.variation.images},
                                                    {"makespan_mean", spread.mean},
                                                    {"makespan_worst", spread.worst},
                                                    {"bound_mean", spread.meanBound}});
  }
  return report;
}

std::string jsonReport(std::span<const Simulation> simulations) {
  if (simulations.size() == 1)
    return jsonFigures(simulations.front()).dump(2) + "\n";
  nlohmann::ordered_json report;
  for (const Simulation &simulation : simulations)
    report["schedules"].push_back(jsonFigures(simulation));
  return report.dump(2) + "\n";
}

std::string jitterText(const Simulation &simulation) {
  return percent(simulation.jitter.amount) + ", seed " + std::to_string(simulation.jitter.seed) +
         ", planned " + shortNumber(simulation.plannedMakespan) + " s";
}

std::string tableReport(const Simulation &simulation) {
  const Schedule &schedule = simulation.schedule;
  const Figures &figures = simulation.figures;
  std::string text;
  text += line("schedule", std::string(scheduleName(simulation.kind)) + ": " +
                               std::to_string(schedule.ranks) + " ranks, " +
                               std::to_string(schedule.chunks) + " chunks a rank, " +
                               std::to_string(schedule.microbatches) + " microbatches");
  if (simulation.split) {
    OwnRanks own = ownRanks(simulation);
    text += line("split", std::to_string(own.encoder) + " encoder, " + std::to_string(own.llm) +
                              " LLM and " + std::to_string(own.generator) +
                              " generator ranks, the fastest of " +
                              std::to_string(simulation.split->tried.size()) + " executed");
  }
  text += line("makespan", shortNumber(figures.makespan) + " s");
  if (!simulation.jitter.none())
    text += line("  planned", shortNumber(simulation.plannedMakespan) + " s without jitter of " +
                                  (simulation.jitter.images ? std::string("image counts")
                                                            : percent(simulation.jitter.amount)) +
                                  ", seed " + std::to_string(simulation.jitter.seed));
  text += line("bound", shortNumber(figures.bound) + " s (the busiest rank's work)");
  text += line("tight bound", shortNumber(figures.tightBound) +
                                  " s (with start-up and drain); makespan " +
                                  percent(aboveBound(figures)) + " above");
  text += line("bubble", percent(figures.bubble));
  text += line("window", std::to_string(schedule.window) + " encoder units");
  text += line("extra warm-up", std::to_string(schedule.warmupExtra) + " forwards a rank");
  text += line("peak", std::to_string(figures.peakEncoderUnits) + " encoder units, " +
                           std::to_string(figures.peakGeneratorUnits) + " generator units, " +
                           shortNumber(figures.peakLlmMicrobatches) + " LLM microbatches, " +
                           std::to_string(figures.peakPendingWeightGradients) +
                           " waiting weight gradients");
  if (!figures.peakBytes.empty()) {
    auto [least, most] = std::minmax_element(figures.peakBytes.begin(), figures.peakBytes.end());
    text += line("peak bytes", std::to_string(*most) + " on rank " +
                                   std::to_string(most - figures.peakBytes.begin()) + ", least " +
                                   std::to_string(*least) + " on rank " +
                                   std::to_string(least - figures.peakBytes.begin()));
  }
  for (const Spread &spread : simulation.robustness)
    text += line("varied by " + std::string(spread.variation.name),
                 shortNumber(spread.mean) + " s mean, " + shortNumber(spread.worst) +
                     " s worst of " + std::to_string(robustnessSeeds) + " seeds (bound " +
                     shortNumber(spread.meanBound) + " s mean)");
  text += line("actions", std::to_string(figures.actions) +
                              ", verified: each runs once, and none waits for ever");
  return text;
}

std::string comparisonTable(std::span<const Simulation> simulations) {
  std::vector<std::vector<std::string>> rows = {{"schedule", "makespan", "tight bound", "bubble",
                                                 "encoder units", "generator units",
                                                 "LLM microbatches", "waiting W", "peak bytes"}};
  for (const Simulation &simulation : simulations) {
    const Figures &figures = simulation.figures;
    std::string bytes = "-";
    if (!figures.peakBytes.empty())
      bytes = std::to_string(*std::max_element(figures.peakBytes.begin(), figures.peakBytes.end()));
    rows.push_back({std::string(scheduleName(simulation.kind)), shortNumber(figures.makespan),
                    shortNumber(figures.tightBound), percent(figures.bubble),
                    std::to_string(figures.peakEncoderUnits),
                    std::to_string(figures.peakGeneratorUnits),
                    shortNumber(figures.peakLlmMicrobatches),
                    std::to_string(figures.peakPendingWeightGradients), bytes});
  }
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto &row : rows) {
    // Names to the left, numbers to the right.
    text += row[0] + std::string(widths[0] - row[0].size(), ' ');
    for (size_t i = 1; i < row.size(); ++i)
      text += "  " + std::string(widths[i] - row[i].size(), ' ') + row[i];
    text += "\n";
  }
  return text;
}

static void writeActions(const Simulation &simulation, const std::string &start, OutputFile &file) {
  const Schedule &schedule = simulation.schedule;
  std::string text;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    for (size_t i = 0; i < schedule.orders[rank].size(); ++i) {
      const Action &action = schedule.orders[rank][i];
      text.clear();
      text += start + "\"rank\":" + std::to_string(rank) + ",\"kind\":\"";
      text += kindName(action);
      text += "\",\"component\":\"";
      text += componentName(action.component);
      text += '"';
      if (action.component == Component::Llm)
        text += ",\"chunk\":" + std::to_string(action.chunk);
      text += ",\"microbatch\":" + std::to_string(action.microbatch);
      if (action.component != Component::Llm)
        text += ",\"unit\":" + std::to_string(action.unit);
      text += ",\"start\":";
      appendNumber(text, simulation.timing.start[rank][i]);
      text += ",\"end\":";
      appendNumber(text, simulation.timing.end[rank][i]);
      text += "}\n";
      file.write(text);
    }
  }
}

void writeActions(std::span<const Simulation> simulations, OutputFile &file) {
  for (const Simulation &simulation : simulations) {
    std::string start = "{";
    if (simulations.size() > 1)
      start += "\"schedule\":\"" + std::string(scheduleName(simulation.kind)) + "\",";
    writeActions(simulation, start, file);
  }
}

} // namespace bigmac::sim
