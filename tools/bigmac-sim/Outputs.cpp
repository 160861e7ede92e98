//===- Outputs.cpp - Where the results go ---------------------------------===//

#include "Outputs.h"
#include "OutputFile.h"
#include "Report.h"
#include "Timeline.h"
#include "bigmac/Report/Page.h"
#include "bigmac/Report/Trace.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

namespace bigmac::sim {

using namespace planning;

namespace {

bool isPage(const std::string &path) {
  constexpr std::string_view end = ".html";
  return path.size() > end.size() && path.compare(path.size() - end.size(), end.size(), end) == 0;
}

std::string titleOf(const OutputOptions &options, std::span<const Simulation> simulations) {
  const Schedule &schedule = simulations.front().schedule;
  std::string file = options.costs.substr(options.costs.rfind('/') + 1);
  return file + ": " + std::to_string(schedule.ranks) + " ranks, " +
         std::to_string(schedule.chunks) + (schedule.chunks == 1 ? " chunk, " : " chunks, ") +
         std::to_string(schedule.microbatches) + " microbatches";
}

/// "encoder 0-1, LLM 2-6, generator 7".
std::string placementText(const RankPlacement &placement, const Costs &costs) {
  auto range = [](const RankRange &ranks) {
    std::string first = std::to_string(ranks.first);
    return ranks.count == 1 ? first : first + "-" + std::to_string(ranks.last());
  };
  std::string text;
  if (costs.encoder)
    text += "encoder " + range(placement.encoder) + ", ";
  text += "LLM " + range(placement.llm);
  if (costs.generator)
    text += ", generator " + range(placement.generator);
  return text;
}

/// The simulations as page and trace take them.
struct Contents {
  std::vector<report::Content> list;

  Status add(std::span<const Simulation> simulations) {
    for (const Simulation &simulation : simulations) {
      report::Content content;
      content.name = scheduleName(simulation.kind);
      content.schedule = &simulation.schedule;
      content.timing = &simulation.timing;
      content.figures = &simulation.figures;
      content.dependencies = simulation.dependencies.get();
      content.transfer = simulation.costs.transfer;
      auto memory = report::activationMemory(simulation.schedule, simulation.timing,
                                             *simulation.dependencies, simulation.costs);
      if (!memory)
        return memory.error();
      content.memory = std::move(*memory);
      if (content.memory)
        content.memory->limit = simulation.memoryLimit;
      if (const auto &placement = simulation.schedule.placement)
        content.notes.emplace_back("placed on ranks", placementText(*placement, simulation.costs));
      if (simulation.jitter.amount > 0)
        content.notes.emplace_back("jitter", jitterText(simulation));
      list.push_back(std::move(content));
    }
    return Status::success();
  }
};

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

/// Whether two names are of one file, which need not be there yet.
static bool isSameFile(const std::string &a, const std::string &b) {
  if (a == "-" || b == "-")
    return a == b;
  std::error_code error;
  return std::filesystem::weakly_canonical(a, error) == std::filesystem::weakly_canonical(b, error);
}

Status checkOutputs(const OutputOptions &options, const std::string &input) {
  // Every file and who writes it.
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string &report : options.reports)
    files.emplace_back(report, "--report");
  files.emplace_back(options.trace, "--trace");
  files.emplace_back(options.actions, "--emit-actions");
  std::erase_if(files, [](const auto &file) { return file.first.empty(); });
  for (size_t i = 0; i < files.size(); ++i) {
    if (isSameFile(files[i].first, input))
      return Error{files[i].second + " would write over the costs in " + input};
    for (size_t j = 0; j < i; ++j)
      if (isSameFile(files[i].first, files[j].first))
        return Error{files[j].second + " and " + files[i].second + " both write to " +
                     files[i].first};
  }
  return Status::success();
}

Status writeOutputs(const OutputOptions &options, std::span<const Simulation> simulations) {
  Contents contents;
  if (!options.trace.empty() || std::any_of(options.reports.begin(), options.reports.end(), isPage))
    if (Status status = contents.add(simulations); !status)
      return status;

  // All files are whole before any takes its place.
  std::vector<std::unique_ptr<OutputFile>> files;
  bool standardTaken = false;
  auto open = [&](const std::string &path) -> OutputFile & {
    files.push_back(std::make_unique<OutputFile>(path));
    standardTaken |= path == "-";
    return *files.back();
  };
  if (!options.actions.empty())
    writeActions(simulations, open(options.actions));
  for (const std::string &path : options.reports) {
    OutputFile &file = open(path);
    if (!isPage(path)) {
      file.write(jsonReport(simulations));
      continue;
    }
    Result<std::string> page = report::renderPage(titleOf(options, simulations), contents.list);
    if (!page)
      return Error{path + ": " + page.message()};
    file.write(*page);
  }
  if (!options.trace.empty()) {
    OutputFile &file = open(options.trace);
    if (Status status =
            report::writeTrace(contents.list, [&](std::string_view text) { file.write(text); });
        !status)
      return status;
  }
  for (auto &file : files)
    if (Status status = file->commit(); !status)
      return status;
  if (standardTaken)
    return Status::success();
  OutputFile standard("-");
  standard.write(textReport(simulations));
  return standard.commit();
}

} // namespace bigmac::sim
