//===- Auto.cpp - Chooses what the command line left open ------------------===//

#include "bigmac/Pipelines/Auto.h"

#include "LayerCosts.h"
#include "mlir/IR/Diagnostics.h"

#include <cmath>

using namespace mlir;
using namespace bigmac;
using planning::AutoCandidate;
using planning::ScheduleKind;

/// So many memory plans are made at most.
static constexpr unsigned kMostPlans = 8;

static LogicalResult setCounts(ModuleOp module, const AutoOptions &open, int64_t samples,
                               planning::AutoProblem &problem) {
  problem.world = static_cast<uint32_t>(open.world);
  problem.microbatches = open.microbatches;
  if (open.globalBatch) {
    if (open.globalBatch % samples != 0)
      return module.emitError("--global-batch is ")
             << open.globalBatch << " samples, expected a multiple of the " << samples
             << " samples in a microbatch";
    problem.microbatches = open.globalBatch / samples;
  }
  auto set = [](std::optional<int64_t> from, std::optional<uint32_t> &to) {
    if (from)
      to = static_cast<uint32_t>(*from);
  };
  set(open.ranks, problem.ranks);
  set(open.chunks, problem.chunks);
  set(open.replicas, problem.replicas);
  problem.schedules = {ScheduleKind::BigMac,      ScheduleKind::BigMacZb,
                       ScheduleKind::Interleaved, ScheduleKind::OneForwardOneBackward,
                       ScheduleKind::Zb,          ScheduleKind::GPipe};
  if (open.schedule) {
    auto kind = planning::parseScheduleKind(*open.schedule);
    if (!kind)
      return module.emitError(kind.message());
    if (*kind == ScheduleKind::SeparateStages)
      return module.emitError("--auto does not search separate-stages, whose ranks hold different "
                              "components; give --ranks and --chunks without --auto");
    problem.schedules = {*kind};
  }
  return success();
}

static void apply(const AutoCandidate &candidate, CompileOptions &options) {
  options.ranks = candidate.ranks;
  options.chunks = candidate.chunks;
  options.replicas = candidate.replicas;
  options.microbatches = candidate.microbatches;
  options.schedule = planning::scheduleName(candidate.schedule);
}

/// Whether the memory plan keeps the limit.
static bool fits(ModuleOp module, const CompileOptions &options) {
  OwningOpRef<ModuleOp> copy = module.clone();
  // That it does not fit is no error yet.
  ScopedDiagnosticHandler quiet(module.getContext(), [](Diagnostic &) { return success(); });
  CompileOptions trial = options;
  trial.report.clear();
  trial.timing = false;
  return succeeded(lowerTo(*copy, Level::RT, trial));
}

LogicalResult bigmac::chooseArrangement(ModuleOp module, CompileOptions &options,
                                        const AutoOptions &open) {
  if (levelOf(module) >= Level::Pipeline)
    return module.emitError("--auto chooses where to cut, but the input is at level ")
           << levelName(levelOf(module)) << ", where it is cut; compile from an earlier level";
  int64_t samples = 1;
  FailureOr<planning::AutoProblem> problem = layerCosts(module, options, samples);
  if (failed(problem) || failed(setCounts(module, open, samples, *problem)))
    return failure();
  problem->memoryLimit = options.memoryLimit ? options.memoryLimit : problem->device.memoryBytes;
  problem->effort = options.effort;
  auto ranking = planning::autoSearch(*problem);
  if (!ranking)
    return module.emitError("--auto: ") << ranking.message();

  std::vector<AutoCandidate> &candidates = ranking->candidates;
  size_t feasible = ranking->feasible();
  apply(candidates.front(), options);
  // What a choice recomputes follows from a limit: the device's memory, where none was given.
  if (!std::isinf(candidates.front().recompute))
    options.memoryLimit = problem->memoryLimit;
  if (options.memoryLimit) {
    size_t chosen = 0;
    for (; chosen < std::min<size_t>(feasible, kMostPlans); ++chosen) {
      apply(candidates[chosen], options);
      if (fits(module, options))
        break;
      candidates[chosen].rejected = "its memory plan does not fit";
    }
    if (chosen == std::min<size_t>(feasible, kMostPlans))
      return module.emitError("--auto: none of the ")
             << chosen
             << " best arrangements has a memory plan within --memory-limit=" << options.memoryLimit
             << "; raise it";
    std::rotate(candidates.begin(), candidates.begin() + chosen, candidates.begin() + feasible);
  }
  options.ranking = std::move(*ranking);
  return success();
}
