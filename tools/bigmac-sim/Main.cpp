//===- Main.cpp - bigmac-sim: schedules from costs alone ------------------===//
//
// Builds a schedule for given costs, proves it, executes it, and reports its figures.
//
//===----------------------------------------------------------------------===//

#include "OutputFile.h"
#include "Report.h"
#include "Timeline.h"
#include "bigmac/Planning/CostsJson.h"
#include "bigmac/Planning/Limits.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <optional>

using namespace bigmac;
using namespace bigmac::planning;

namespace {

struct Options {
  std::string costs;
  std::string schedule = "bigmac";
  uint64_t ranks = 1;
  uint64_t chunks = 1;
  std::optional<uint64_t> microbatches;
  std::optional<uint64_t> memoryLimit;
  uint32_t effort = 1;
  Jitter jitter;
  std::string report;
  std::string actions;
};

/// CLI11 reads "-1" as 2^64 - 1, "010" as 8, and takes what is too large for the largest number.
std::string checkCount(const std::string &text) {
  bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (digits && text.size() < 20 && (text.size() == 1 || text.front() != '0'))
    return "";
  return "expected a whole number from 0 to 9999999999999999999, found " + text;
}

void declareOptions(CLI::App &app, Options &options) {
  app.add_option("costs", options.costs, "Costs of the actions, a JSON file")
      ->required()
      ->type_name("COSTS.json");
  app.add_option("--schedule", options.schedule,
                 "bigmac, 1f1b, interleaved, gpipe or encoder-first")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--ranks", options.ranks, "Pipeline ranks")
      ->type_name("P")
      ->check(checkCount)
      ->capture_default_str();
  app.add_option("--chunks", options.chunks, "LLM chunks a rank")
      ->type_name("V")
      ->check(checkCount)
      ->capture_default_str();
  app.add_option("--microbatches", options.microbatches,
                 "Microbatches of a step (default: as many as ranks)")
      ->type_name("M")
      ->check(checkCount);
  app.add_option("--memory-limit", options.memoryLimit,
                 "Bytes of activations that a rank may hold, by the costs' activation_bytes")
      ->type_name("BYTES")
      ->check(checkCount);
  app.add_option("--effort", options.effort, "How far to search")
      ->type_name("N")
      ->check(checkCount)
      ->check(CLI::Range(0u, 1000u))
      ->capture_default_str();
  app.add_option("--jitter", options.jitter.amount,
                 "Execute with every action's time varied by up to this fraction")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", options.jitter.seed, "Seed of the jitter")
      ->type_name("N")
      ->check(checkCount)
      ->capture_default_str();
  app.add_option("--report", options.report,
                 "Write the figures to a file, as JSON; - prints JSON in place of the table")
      ->type_name("FILE");
  app.add_option("--emit-actions", options.actions,
                 "Write every action with its times, one JSON object a line; - prints them in "
                 "place of the table")
      ->type_name("FILE");
}

bool endsWith(const std::string &text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Status checkOutputs(const Options &options) {
  if (endsWith(options.report, ".html"))
    return Error{"--report=" + options.report +
                 ": HTML reports are not built in this version; use a .json file, or - for JSON "
                 "on the standard output"};
  if (!options.report.empty() && options.report == options.actions)
    return Error{"--report and --emit-actions both write to " + options.report};
  return Status::success();
}

Result<sim::Simulation> simulate(const Options &options) {
  sim::Simulation simulation;
  Result<ScheduleKind> kind = parseScheduleKind(options.schedule);
  if (!kind)
    return kind.error();
  uint64_t microbatches = options.microbatches.value_or(options.ranks);
  if (Status status = checkSize(options.ranks, options.chunks, microbatches, 2); !status)
    return status.error();
  Result<Costs> costs = readCostsFile(options.costs);
  if (!costs)
    return costs.error();

  Problem problem;
  problem.ranks = static_cast<uint32_t>(options.ranks);
  problem.chunks = static_cast<uint32_t>(options.chunks);
  problem.microbatches = static_cast<uint32_t>(microbatches);
  problem.costs = std::move(*costs);
  problem.memoryLimit = options.memoryLimit;
  problem.effort = options.effort;
  Result<Schedule> schedule = buildSchedule(*kind, problem);
  if (!schedule)
    return schedule.error();

  simulation.kind = *kind;
  simulation.schedule = std::move(*schedule);
  simulation.jitter = options.jitter;
  StandardDependencies dependencies(
      workloadOf(problem.costs, problem.ranks, problem.chunks, problem.microbatches),
      simulation.schedule.splitGenerator);
  Result<Timing> timing = execute(simulation.schedule, dependencies, problem.costs, options.jitter);
  if (!timing)
    return timing.error();
  simulation.timing = std::move(*timing);
  Result<Figures> figures =
      measure(simulation.schedule, simulation.timing, dependencies, problem.costs, options.jitter);
  if (!figures)
    return figures.error();
  simulation.figures = std::move(*figures);
  simulation.plannedMakespan = simulation.figures.makespan;
  if (options.jitter.amount > 0) {
    Result<Timing> planned = execute(simulation.schedule, dependencies, problem.costs);
    if (!planned)
      return planned.error();
    simulation.plannedMakespan = planned->makespan;
  }
  return simulation;
}

Status writeOutputs(const Options &options, const sim::Simulation &simulation) {
  // Both files are whole before either takes its place.
  std::unique_ptr<sim::OutputFile> report, actions;
  if (!options.report.empty()) {
    report = std::make_unique<sim::OutputFile>(options.report);
    report->write(jsonReport(simulation));
  }
  if (!options.actions.empty()) {
    actions = std::make_unique<sim::OutputFile>(options.actions);
    writeActions(simulation, *actions);
    if (Status status = actions->commit(); !status)
      return status;
  }
  if (report)
    if (Status status = report->commit(); !status)
      return status;
  if (options.report == "-" || options.actions == "-")
    return Status::success();

  std::string text = tableReport(simulation);
  if (simulation.schedule.ranks <= sim::mostTimelineRanks)
    text += "\n" + sim::timeline(simulation, 100);
  sim::OutputFile standard("-");
  standard.write(text);
  return standard.commit();
}

int fail(const std::string &message) {
  std::fprintf(stderr, "bigmac-sim: error: %s\n", message.c_str());
  return 1;
}

int runTool(int argc, char **argv) {
  Options options;
  CLI::App app("bigmac-sim: builds a pipeline schedule for given costs, proves it, and reports its "
               "time and memory",
               "bigmac-sim");
  declareOptions(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    return fail(std::string(error.what()) + " (--help lists the options)");
  }
  if (Status status = checkOutputs(options); !status)
    return fail(status.message());
  Result<sim::Simulation> simulation = simulate(options);
  if (!simulation)
    return fail(simulation.message());
  if (Status status = writeOutputs(options, *simulation); !status)
    return fail(status.message());
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  try {
    return runTool(argc, argv);
  } catch (const std::bad_alloc &) {
    return fail("out of memory");
  } catch (const std::exception &error) {
    return fail(error.what());
  }
}
