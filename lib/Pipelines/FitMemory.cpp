//===- FitMemory.cpp - What is held, against a limit -----------------------===//

#include "FitMemory.h"

#include "Trial.h"
#include "bigmac-rt/plan.h"
#include "bigmac/Planning/ScheduleBuilder.h"
#include "dialects/Pipeline/Transforms/CostModel.h"

#include <set>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;
using planning::RecomputeLevel;
using planning::RecomputeProblem;
using planning::RecomputeTask;

namespace {

using Levels = std::vector<uint32_t>;

/// What estimates are made of: workspaces of levels that were measured, others by difference.
class Estimates {
public:
  explicit Estimates(ArrayRef<TaskFrontier> frontiers) : frontiers(frontiers) {
    workspaces.resize(frontiers.size());
  }

  void learn(const Trial &trial) {
    for (auto [i, frontier] : llvm::enumerate(frontiers))
      workspaces[i][trial.levels[i]] = trial.workspaces.lookup(frontier.task + ".backward");
  }

  RecomputeProblem problemAt(const Trial &trial, uint64_t limit) const {
    RecomputeProblem problem;
    problem.limit = limit;
    problem.bytes = trial.bytes;
    problem.measured = trial.levels;
    llvm::StringMap<bool> modelled;
    for (auto [i, frontier] : llvm::enumerate(frontiers)) {
      RecomputeTask task;
      task.uses = trial.uses[i];
      for (auto [level, point] : llvm::enumerate(frontier.points))
        task.levels.push_back({point.heldBytes, workspaceOf(i, level), point.seconds});
      problem.tasks.push_back(std::move(task));
      modelled[frontier.task + ".backward"] = true;
    }
    // Everything else takes its workspace whatever is chosen.
    for (const auto &entry : trial.workspaces) {
      if (modelled.contains(entry.getKey()))
        continue;
      RecomputeTask task;
      task.levels.push_back({0, entry.getValue(), 0});
      for (uint32_t rank : trial.ranks.lookup(entry.getKey()))
        task.uses.push_back({rank, 0, 0});
      problem.tasks.push_back(std::move(task));
      problem.measured.push_back(0);
    }
    return problem;
  }

  Levels own(Levels levels) const {
    levels.resize(frontiers.size());
    return levels;
  }

private:
  uint64_t workspaceOf(size_t task, uint32_t level) const {
    // The nearest that was measured; the first trial measured one of each.
    const std::map<uint32_t, uint64_t> &of = workspaces[task];
    auto distance = [&](uint32_t other) { return other < level ? level - other : other - level; };
    auto nearest = of.begin();
    for (auto it = of.begin(); it != of.end(); ++it)
      if (distance(it->first) < distance(nearest->first))
        nearest = it;
    int64_t bytes = static_cast<int64_t>(nearest->second);
    bytes += static_cast<int64_t>(frontiers[task].points[level].transientBytes) -
             static_cast<int64_t>(frontiers[task].points[nearest->first].transientBytes);
    return std::max<int64_t>(0, bytes);
  }

  ArrayRef<TaskFrontier> frontiers;
  /// By frontier, by level.
  std::vector<std::map<uint32_t, uint64_t>> workspaces;
};

class Fitter {
public:
  Fitter(Trials &trials, ArrayRef<TaskFrontier> frontiers, bool offload)
      : trials(trials), frontiers(frontiers), offload(offload), nothing(frontiers.size(), 0) {}

  /// The fastest choice found that fits. Null where none does: then `least` is the one found that
  /// needs the least, which does not depend on the limit, or null after an error that is reported.
  const Trial *run(uint64_t limit, const Trial *&least);

private:
  bool fits(const Trial *trial) const { return trial && trial->mostBytes() <= limit; }
  void offer(const Trial *trial) {
    if (fits(trial) && (!best || trial->makespan < best->makespan))
      best = trial;
  }
  const Trial *trial(const Levels &levels, bool tightest, bool offloaded) {
    const Trial *plain = tightest ? trials.runTightest(levels) : trials.run(levels);
    const Trial *moved = plain && offloaded ? trials.runOffloaded(*plain, limit) : nullptr;
    return moved ? moved : plain;
  }
  /// A schedule that holds as much less as is missing.
  const Trial *runWithin(const Trial &loose);
  /// Recomputation under one kind of schedule, with or without offloading; what fits is offered.
  /// Returns the fastest that fits.
  const Trial *searchLevels(bool tightest, bool offloaded);
  /// The fastest found that fits the limit, `known` among them; null where there is none.
  const Trial *search(uint64_t limit, const Trial *known = nullptr);
  /// What saves the most by itself.
  const Trial *searchSmallest();
  /// Below that, limits are tried: the fastest under a limit can need less than what saves most,
  /// as where one buffer lies decides over the others.
  const Trial *searchLeast();

  static constexpr unsigned kRounds = 12;
  /// Of limits tried for the least: halvings, then bytes off what works.
  static constexpr unsigned kHalvings = 6, kDescents = 16;

  Trials &trials;
  ArrayRef<TaskFrontier> frontiers;
  bool offload;
  Levels nothing;
  /// Of the search that runs.
  uint64_t limit = 0;
  const Trial *best = nullptr;
};

} // namespace

const Trial *Fitter::runWithin(const Trial &loose) {
  uint64_t allowed = UINT64_MAX;
  for (auto [activations, bytes] : llvm::zip(loose.activations, loose.bytes)) {
    if (activations + limit <= bytes)
      return nullptr;
    allowed = std::min(allowed, activations + limit - bytes);
  }
  return trials.run(loose.levels, allowed);
}

const Trial *Fitter::searchLevels(bool tightest, bool offloaded) {
  Estimates estimates(frontiers);
  const Trial *current = trial(nothing, tightest, offloaded);
  if (!current)
    return nullptr;
  estimates.learn(*current);
  const Trial *found = nullptr;
  if (offloaded && fits(current)) {
    offer(current);
    found = current;
  }
  std::set<Levels> tried{nothing};
  uint64_t slack = 0;
  for (unsigned round = 0; round < kRounds && slack < limit; ++round) {
    RecomputeProblem problem = estimates.problemAt(*current, limit - slack);
    planning::RecomputeChoice choice = planning::chooseRecompute(problem);
    Levels levels = estimates.own(choice.levels);
    const Trial *next = trial(levels, tightest, offloaded);
    if (!next)
      return found;
    if (!tried.insert(levels).second) {
      if (fits(next) || !choice.fits)
        return found;
      // The estimate is too low by what is known of this choice.
      slack += next->mostBytes() - limit;
      continue;
    }
    estimates.learn(*next);
    if (fits(next)) {
      offer(next);
      if (!found || next->makespan < found->makespan)
        found = next;
    }
    current = next;
  }
  return found;
}

const Trial *Fitter::searchSmallest() {
  Estimates estimates(frontiers);
  const Trial *current = nullptr, *least = nullptr;
  std::set<Levels> tried;
  auto take = [&](const Trial *next) {
    if (!next)
      return false;
    estimates.learn(*next);
    current = next;
    for (const Trial *each : {next, offload ? trials.runOffloaded(*next, 0) : nullptr})
      if (each && (!least || each->mostBytes() < least->mostBytes()))
        least = each;
    return true;
  };
  Levels all;
  for (const TaskFrontier &frontier : frontiers)
    all.push_back(frontier.points.size() - 1);
  for (const Levels &levels : {nothing, all})
    if (tried.insert(levels).second && !take(trials.runTightest(levels)))
      return nullptr;
  for (unsigned round = 0; round < kRounds; ++round) {
    Levels levels = estimates.own(planning::leastMemory(estimates.problemAt(*current, 0)));
    if (!tried.insert(levels).second)
      break;
    if (!take(trials.runTightest(levels)))
      return nullptr;
  }
  return least;
}

const Trial *Fitter::searchLeast() {
  const Trial *least = searchSmallest();
  if (!least)
    return nullptr;
  // Parameters and what belongs to them stay whatever is chosen.
  uint64_t hopeless = 0;
  for (ArrayRef<int64_t> classes : least->classes)
    hopeless = std::max<uint64_t>(hopeless, classes[BM_MEM_PARAMETERS] + classes[BM_MEM_GRADIENTS] +
                                                classes[BM_MEM_OPTIMIZER]);
  for (unsigned i = 0; i < kHalvings && hopeless < least->mostBytes(); ++i) {
    uint64_t middle = hopeless + (least->mostBytes() - hopeless) / 2;
    if (const Trial *found = search(middle))
      least = found;
    else
      hopeless = middle;
  }
  for (unsigned i = 0; i < kDescents; ++i) {
    const Trial *found = search(least->mostBytes() - 1);
    if (!found)
      break;
    least = found;
  }
  return least;
}

const Trial *Fitter::search(uint64_t within, const Trial *known) {
  limit = within;
  best = nullptr;
  offer(known);
  const Trial *loose = trials.run(nothing);
  if (!loose)
    return nullptr;
  offer(loose);
  if (best == loose)
    return best;
  if (offload) {
    // Nothing is faster than copies that are all hidden.
    const Trial *moved = trials.runOffloaded(*loose, limit);
    if (moved)
      offer(moved);
    if (best && best->makespan <= loose->makespan)
      return best;
  }
  offer(runWithin(*loose));
  // A hopeless limit is found out first.
  Estimates estimates(frontiers);
  estimates.learn(*loose);
  if (!best && !planning::chooseRecompute(estimates.problemAt(*loose, limit)).fits)
    return nullptr;
  for (bool offloaded : {false, true}) {
    if (offloaded ? !offload : frontiers.empty())
      continue;
    searchLevels(/*tightest=*/false, offloaded);
    const Trial *tight = trials.runTightest(nothing);
    if (tight && tight->activations != loose->activations)
      if (const Trial *found = searchLevels(/*tightest=*/true, offloaded))
        if (const Trial *wide = trials.run(found->levels))
          offer(runWithin(*wide));
  }
  return best;
}

const Trial *Fitter::run(uint64_t within, const Trial *&least) {
  least = nullptr;
  if (const Trial *found = search(within))
    return found;
  least = searchLeast();
  return least && least->mostBytes() <= within ? search(within, least) : nullptr;
}

static bool hasBackwards(ModuleOp module) {
  bool found = false;
  module.walk([&](TaskOp task) { found |= task.getPhase() != pipeline::Phase::forward; });
  return found;
}

FailureOr<MemoryFit> bigmac::fitMemory(ModuleOp module, const CompileOptions &options) {
  MemoryFit fit;
  bool choose = options.memoryLimit != 0;
  bool forced = options.recompute != "auto";
  if (options.recompute == "full")
    fit.recompute = {"full"};
  if (hasBackwards(module)) {
    fit.recompute.clear();
  } else if (!forced ? choose : options.recompute == "full") {
    // A forced level needs the frontier for the report alone.
    DifferentiateOptions derivatives;
    planning::Result<planning::ScheduleKind> kind = planning::parseScheduleKind(options.schedule);
    derivatives.splitWeightGradient = kind && planning::splitsBackward(*kind);
    FailureOr<CostModel> model = CostModel::load(module, options.device, /*profile=*/"");
    if (failed(model))
      return failure();
    derivatives.device = model->device;
    ScopedDiagnosticHandler handler(module.getContext(), [](Diagnostic &diagnostic) {
      return success(diagnostic.getSeverity() != DiagnosticSeverity::Error);
    });
    FailureOr<SmallVector<TaskFrontier>> frontiers = recomputeFrontiers(module, derivatives);
    if (failed(frontiers))
      return failure();
    fit.frontiers = std::move(*frontiers);
    for (const TaskFrontier &frontier : fit.frontiers)
      fit.levels.push_back(forced ? frontier.points.size() - 1 : 0);
  }
  if (!choose)
    return fit;

  ArrayRef<TaskFrontier> free = forced ? ArrayRef<TaskFrontier>() : fit.frontiers;
  FailureOr<CostModel> model = CostModel::load(module, options.device, /*profile=*/"");
  if (failed(model))
    return failure();
  bool offload = options.offload == "auto" && model->device.hasOwnMemory();
  Trials trials(module, options, free);
  uint64_t limit = options.memoryLimit;
  const Trial *least = nullptr;
  const Trial *chosen = Fitter(trials, free, offload).run(limit, least);
  if (chosen) {
    fit.activationLimit = chosen->activationLimit;
    fit.offload = chosen->offload;
    if (!forced) {
      fit.levels = chosen->levels;
      fit.recompute = trials.recompute(fit.levels);
    }
    return fit;
  }
  if (!least)
    return failure();
  auto diagnostic = module.emitError("cannot keep every rank within --memory-limit=")
                    << limit << " bytes; the least limit that works is " << least->mostBytes();
  if (forced)
    diagnostic << " (with --recompute=" << options.recompute
               << "; --recompute=auto may do with less)";
  if (options.offload == "none" && model->device.hasOwnMemory())
    diagnostic << " (with --offload=none; --offload=auto may do with less)";
  ArrayRef<int64_t> classes = least->classes[least->largestRank()];
  diagnostic.attachNote() << "then rank " << least->largestRank() << " needs the most: parameters "
                          << classes[BM_MEM_PARAMETERS] << ", gradients "
                          << classes[BM_MEM_GRADIENTS] << ", optimizer "
                          << classes[BM_MEM_OPTIMIZER] << ", workspace of tasks "
                          << classes[BM_MEM_WORKSPACE] << ", activations, inputs and transfers the "
                          << "rest";
  return diagnostic;
}

FailureOr<llvm::json::Object> bigmac::recomputeReport(ModuleOp module, const MemoryFit &fit) {
  auto scheduled = *module.getOps<ScheduledOp>().begin();
  FailureOr<std::vector<std::vector<RecomputeTask::Use>>> uses = usesOf(scheduled, fit.frontiers);
  if (failed(uses))
    return failure();
  RecomputeProblem problem;
  problem.bytes.assign(scheduled.getRanks(), 0);
  llvm::json::Array tasks;
  std::vector<int64_t> saved(scheduled.getRanks(), 0);
  for (auto [i, frontier] : llvm::enumerate(fit.frontiers)) {
    const RecomputePoint &none = frontier.points.front();
    const RecomputePoint &point = frontier.points[fit.levels[i]];
    RecomputeTask task;
    task.uses = (*uses)[i];
    for (const RecomputePoint &each : frontier.points)
      task.levels.push_back({each.heldBytes, 0, each.seconds});
    problem.tasks.push_back(std::move(task));
    if (fit.levels[i] == 0)
      continue;
    for (const RecomputeTask::Use &use : (*uses)[i])
      saved[use.rank] += use.held * (none.heldBytes - point.heldBytes);
    tasks.push_back(llvm::json::Object{{"task", frontier.task},
                                       {"held_bytes", point.heldBytes},
                                       {"held_bytes_without", none.heldBytes},
                                       {"seconds", point.seconds}});
  }
  return llvm::json::Object{{"tasks", std::move(tasks)},
                            {"bytes_saved", llvm::json::Array(saved)},
                            {"seconds_added", planning::addedSeconds(problem, fit.levels)}};
}

FailureOr<llvm::json::Object> bigmac::offloadReport(ModuleOp module,
                                                    const CompileOptions &options) {
  auto scheduled = *module.getOps<ScheduledOp>().begin();
  FailureOr<CostModel> model = CostModel::load(scheduled, options.device, options.profile);
  if (failed(model))
    return failure();
  FailureOr<OffloadFigures> figures = offloadFigures(scheduled, module, *model);
  if (failed(figures))
    return failure();
  llvm::json::Array values;
  for (const OffloadFigures::Value &value : figures->values)
    values.push_back(llvm::json::Object{{"value", value.number},
                                        {"task", value.task},
                                        {"bytes", value.bytes},
                                        {"moved", value.moved},
                                        {"stayed", value.stayed}});
  return llvm::json::Object{{"values", std::move(values)},
                            {"copy_seconds", llvm::json::Array(figures->seconds)},
                            {"exposed_seconds", llvm::json::Array(figures->exposed)}};
}
