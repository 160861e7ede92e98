//===- Main.cpp - bigmac-sim: schedules from costs alone ------------------===//
//
// Builds a schedule for given costs, proves it, executes it, and reports its figures.
//
//===----------------------------------------------------------------------===//

#include "Outputs.h"
#include "bigmac/Planning/CostsJson.h"
#include "bigmac/Planning/Limits.h"
#include "tools/WholeNumber.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <new>
#include <optional>
#include <vector>

using namespace bigmac;
using namespace bigmac::planning;

namespace {

struct Options {
  std::string costs;
  std::vector<std::string> schedules = {"bigmac"};
  uint64_t ranks = 1;
  uint64_t chunks = 1;
  std::optional<uint64_t> microbatches;
  std::optional<uint64_t> memoryLimit;
  uint32_t effort = 1;
  bool robust = false;
  Jitter jitter;
  sim::OutputOptions outputs;
};

Jitter parseJitter(const std::string &text, Jitter jitter) {
  if (text == "images") {
    jitter.images = true;
    return jitter;
  }
  const char *begin = text.data(), *end = begin + text.size();
  auto [rest, error] = std::from_chars(begin, end, jitter.amount);
  if (error != std::errc() || rest != end || !(jitter.amount >= 0 && jitter.amount <= 1))
    throw CLI::ValidationError("--jitter",
                               "expected a number from 0 to 1, or images; found " + text);
  return jitter;
}

void declareOptions(CLI::App &app, Options &options) {
  app.add_option("costs", options.costs, "Costs of the actions, a JSON file")
      ->required()
      ->type_name("COSTS.json");
  app.add_option("--schedule", options.schedules,
                 "bigmac, bigmac-zb, 1f1b, interleaved, gpipe, zb, encoder-first or "
                 "separate-stages; several, separated by commas, are compared")
      ->type_name("NAME")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("bigmac");
  app.add_option("--ranks", options.ranks, "Pipeline ranks")
      ->type_name("P")
      ->check(checkWhole<uint64_t>)
      ->capture_default_str();
  app.add_option("--chunks", options.chunks, "LLM chunks a rank")
      ->type_name("V")
      ->check(checkWhole<uint64_t>)
      ->capture_default_str();
  app.add_option("--microbatches", options.microbatches,
                 "Microbatches of a step (default: as many as ranks)")
      ->type_name("M")
      ->check(checkWhole<uint64_t>);
  app.add_option("--memory-limit", options.memoryLimit,
                 "Bytes of activations that a rank may hold, by the costs' activation_bytes")
      ->type_name("BYTES")
      ->check(checkWhole<uint64_t>);
  app.add_option("--effort", options.effort, "How far to search")
      ->type_name("N")
      ->check(checkWhole<uint64_t>)
      ->check(CLI::Range(0u, 1000u))
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--jitter",
         [&options](const std::string &text) {
           options.jitter = parseJitter(text, options.jitter);
         },
         "Execute with every action's time varied by up to this fraction, or with encoder and "
         "generator times in proportion to a heavy-tailed number of images: images")
      ->type_name("X|images");
  app.add_flag(
      "--robust", options.robust,
      "Choose among the plans within 1% of the fastest the one that loses least when times "
      "vary");
  app.add_option("--seed", options.jitter.seed, "Seed of the jitter, the first one of robustness")
      ->type_name("N")
      ->check(checkWhole<uint64_t>)
      ->capture_default_str();
  app.add_option(
         "--report", options.outputs.reports,
         "Write the figures to a file: FILE.html as a page of timelines, another as JSON; - "
         "prints JSON in place of the table")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--trace", options.outputs.trace,
                 "Write a trace for Perfetto or Chrome; - prints it in place of the table")
      ->type_name("FILE");
  app.add_option("--emit-actions", options.outputs.actions,
                 "Write every action with its times, one JSON object a line; - prints them in "
                 "place of the table")
      ->type_name("FILE");
}

Result<std::vector<ScheduleKind>> parseKinds(const std::vector<std::string> &names) {
  std::vector<ScheduleKind> kinds;
  for (const std::string &name : names) {
    Result<ScheduleKind> kind = parseScheduleKind(name);
    if (!kind)
      return kind.error();
    if (std::find(kinds.begin(), kinds.end(), *kind) != kinds.end())
      return Error{"--schedule: " + name + " is given twice"};
    kinds.push_back(*kind);
  }
  return kinds;
}

Result<std::vector<sim::Simulation>> simulateAll(const Options &options) {
  Result<std::vector<ScheduleKind>> kinds = parseKinds(options.schedules);
  if (!kinds)
    return kinds.error();
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
  problem.robust = options.robust;
  std::vector<sim::Simulation> simulations;
  for (ScheduleKind kind : *kinds) {
    Result<sim::Simulation> simulation = sim::simulate(kind, problem, options.jitter);
    if (!simulation && kinds->size() > 1)
      return Error{std::string(scheduleName(kind)) + ": " + simulation.message()};
    if (!simulation)
      return simulation.error();
    simulations.push_back(std::move(*simulation));
  }
  return simulations;
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
  options.outputs.costs = options.costs;
  if (Status status = checkOutputs(options.outputs, options.costs); !status)
    return fail(status.message());
  Result<std::vector<sim::Simulation>> simulations = simulateAll(options);
  if (!simulations)
    return fail(simulations.message());
  if (Status status = writeOutputs(options.outputs, *simulations); !status)
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
