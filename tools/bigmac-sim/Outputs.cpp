//===- Outputs.cpp - Where the results go ---------------------------------===//

#include "Outputs.h"
#include "OutputFile.h"
#include "Report.h"
#include "Timeline.h"

#include <memory>
#include <vector>

namespace bigmac::sim {

using namespace planning;

namespace {

bool endsWith(const std::string &text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string textReport(std::span<const Simulation> simulations) {
  std::string text;
  if (simulations.size() == 1)
    text = tableReport(simulations.front());
  else
    text = comparisonTable(simulations);
  for (const Simulation &simulation : simulations) {
    if (simulation.schedule.ranks > mostTimelineRanks)
      continue;
    text += "\n";
    if (simulations.size() > 1)
      text += std::string(scheduleName(simulation.kind)) + "\n";
    text += timeline(simulation, 100);
  }
  return text;
}

} // namespace

Status checkOutputs(const OutputOptions &options) {
  if (endsWith(options.report, ".html"))
    return Error{"--report=" + options.report +
                 ": HTML reports are not built in this version; use a .json file, or - for JSON "
                 "on the standard output"};
  if (!options.report.empty() && options.report == options.actions)
    return Error{"--report and --emit-actions both write to " + options.report};
  return Status::success();
}

Status writeOutputs(const OutputOptions &options, std::span<const Simulation> simulations) {
  // All files are whole before any takes its place.
  std::vector<std::unique_ptr<OutputFile>> files;
  if (!options.actions.empty()) {
    files.push_back(std::make_unique<OutputFile>(options.actions));
    writeActions(simulations, *files.back());
  }
  if (!options.report.empty()) {
    files.push_back(std::make_unique<OutputFile>(options.report));
    files.back()->write(jsonReport(simulations));
  }
  for (auto &file : files)
    if (Status status = file->commit(); !status)
      return status;
  if (options.report == "-" || options.actions == "-")
    return Status::success();
  OutputFile standard("-");
  standard.write(textReport(simulations));
  return standard.commit();
}

} // namespace bigmac::sim
