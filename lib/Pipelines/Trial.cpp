//===- Trial.cpp - What a choice would cost, measured ----------------------===//

#include "Trial.h"

#include "TaskObjects.h"
#include "bigmac/Conversion/Passes.h"
#include "bigmac/Planning/Executor.h"
#include "dialects/Pipeline/IR/Program.h"
#include "dialects/Pipeline/Transforms/TaskCosts.h"
#include "dialects/RT/IR/RT.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <algorithm>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;
using planning::RecomputeTask;

uint32_t Trial::largestRank() const {
  return std::max_element(bytes.begin(), bytes.end()) - bytes.begin();
}

FailureOr<std::vector<std::vector<RecomputeTask::Use>>>
bigmac::usesOf(ScheduledOp scheduled, ArrayRef<TaskFrontier> frontiers) {
  FailureOr<Program> program = Program::read(scheduled);
  if (failed(program))
    return failure();
  llvm::StringMap<size_t> index;
  for (auto [i, frontier] : llvm::enumerate(frontiers))
    index[frontier.task] = i;
  planning::Schedule schedule = scheduleOf(scheduled, *program);
  std::vector<std::vector<RecomputeTask::Use>> uses(frontiers.size());
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
    for (const planning::Action &action : schedule.orders[rank]) {
      if (action.phase != planning::Phase::Forward)
        continue;
      auto it = index.find(recomputeName(program->taskOf(rank, action)));
      if (it == index.end())
        continue;
      std::vector<RecomputeTask::Use> &own = uses[it->second];
      if (own.empty() || own.back().rank != rank)
        own.push_back(
            {rank, planning::mostHeld(schedule, rank, action.component, action.chunk), 0});
      ++own.back().runs;
    }
  return uses;
}

std::vector<std::string> Trials::recompute(const std::vector<uint32_t> &levels) const {
  std::vector<std::string> entries;
  // A level for all, if one is forced.
  if (frontiers.empty() && options.recompute == "full")
    entries.push_back("full");
  for (auto [frontier, level] : llvm::zip(frontiers, levels))
    entries.push_back(frontier.task + "=" +
                      RecomputeLevels::spell(frontier.points[level].bytesPerSecond));
  return entries;
}

OwningOpRef<ModuleOp> Trials::schedule(Trial &trial) {
  OwningOpRef<ModuleOp> copy = module.clone();
  bool forwardOnly = true;
  copy->walk([&](TaskOp task) { forwardOnly &= task.getPhase() == pipeline::Phase::forward; });
  CompileOptions limited = options;
  limited.activationLimit = trial.activationLimit;
  PassManager passes(copy->getContext());
  if (forwardOnly)
    buildDifferentiatePipeline(passes, options, recompute(trial.levels));
  buildSchedulePipeline(passes, limited);
  if (failed(passes.run(*copy)))
    return nullptr;
  auto scheduled = *copy->getOps<ScheduledOp>().begin();
  FailureOr<Program> program = Program::read(scheduled);
  if (failed(program))
    return nullptr;
  planning::Schedule orders = scheduleOf(scheduled, *program);
  FailureOr<CostModel> model = CostModel::load(scheduled, options.device, options.profile);
  if (failed(model))
    return nullptr;
  FailureOr<planning::Costs> found = taskCosts(*program, *copy, *model);
  if (failed(found))
    return nullptr;
  const planning::Costs &costs = *found;
  ProgramDependencies dependencies(*program);
  auto timing = planning::execute(orders, dependencies, costs);
  if (!timing)
    return scheduled.emitError("cannot execute the schedule: ") << timing.message(), nullptr;
  auto figures = planning::measure(orders, *timing, dependencies, costs);
  if (!figures)
    return scheduled.emitError("cannot measure the schedule: ") << figures.message(), nullptr;
  trial.makespan = figures->makespan;
  trial.activations = figures->peakBytes;
  FailureOr<std::vector<std::vector<RecomputeTask::Use>>> uses = usesOf(scheduled, frontiers);
  if (failed(uses))
    return nullptr;
  trial.uses = std::move(*uses);
  for (uint32_t rank = 0; rank < orders.ranks; ++rank)
    for (const planning::Action &action : orders.orders[rank]) {
      std::vector<uint32_t> &ranks = trial.ranks[program->taskOf(rank, action).getCallee()];
      if (ranks.empty() || ranks.back() != rank)
        ranks.push_back(rank);
    }
  return copy;
}

LogicalResult Trials::planWorkspaces(ModuleOp copy, Trial &trial) {
  OwningOpRef<ModuleOp> tasks = taskFunctions(copy);
  llvm::StringMap<std::string> texts;
  for (auto function : llvm::make_early_inc_range(tasks->getOps<func::FuncOp>())) {
    std::string &text = texts[function.getName()];
    llvm::raw_string_ostream os(text);
    function.print(os);
    if (known.contains(text))
      function.erase();
  }
  SmallVector<TaskInfo> infos;
  if (!tasks->getOps<func::FuncOp>().empty() &&
      failed(bigmac::planWorkspaces(*tasks, options, infos)))
    return failure();
  for (const TaskInfo &info : infos)
    known[texts[info.name]] = info.workspaceBytes;
  for (const auto &entry : texts)
    trial.workspaces[entry.getKey()] = known.lookup(entry.getValue());
  copy.walk([&](TaskOp task) { task.setWorkspace(trial.workspaces.lookup(task.getCallee())); });
  return success();
}

const Trial *Trials::run(const std::vector<uint32_t> &levels, uint64_t activationLimit) {
  auto [it, inserted] = done.try_emplace({levels, activationLimit});
  std::optional<Trial> &result = it->second;
  if (!inserted)
    return result ? &*result : nullptr;
  // Errors of the first trial are the compilation's; that a limit cannot be kept is none. Remarks
  // are left to the compilation itself.
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    return success(activationLimit != 0 || diagnostic.getSeverity() != DiagnosticSeverity::Error);
  });
  Trial trial;
  trial.levels = levels;
  trial.activationLimit = activationLimit;
  OwningOpRef<ModuleOp> copy = schedule(trial);
  uint64_t hostBytes = 0;
  if (!copy || failed(planWorkspaces(*copy, trial)) ||
      failed(planMemory(std::move(copy), trial, hostBytes)))
    return nullptr;
  result = std::move(trial);
  return &*result;
}

LogicalResult Trials::planMemory(OwningOpRef<ModuleOp> copy, Trial &trial, uint64_t &hostBytes) {
  PassManager offload(copy->getContext());
  buildOffloadPipeline(offload, options, trial.offload);
  if (failed(offload.run(*copy)))
    return failure();
  auto scheduled = *copy->getOps<ScheduledOp>().begin();
  if (!scheduled.getBody()->getOps<OffloadOp>().empty()) {
    FailureOr<CostModel> model = CostModel::load(scheduled, options.device, options.profile);
    if (failed(model))
      return failure();
    FailureOr<OffloadFigures> figures = offloadFigures(scheduled, *copy, *model);
    if (failed(figures))
      return failure();
    trial.makespan += *llvm::max_element(figures->exposed);
  }
  ConvertPipelineToRTOptions convert;
  convert.replicas = options.replicas;
  convert.device = options.device;
  convert.profile = options.profile;
  PassManager passes(copy->getContext());
  passes.addPass(createConvertPipelineToRT(convert));
  if (failed(passes.run(*copy)))
    return failure();
  trial.bytes.clear();
  trial.classes.clear();
  hostBytes = 0;
  for (auto program : copy->getOps<rt::ProgramOp>())
    for (auto rank : program.getBody()->getOps<rt::RankOp>()) {
      trial.bytes.push_back(rank.getArena());
      trial.classes.emplace_back(rank.getMemory());
      hostBytes = std::max<uint64_t>(hostBytes, rank.getHostArena());
    }
  return success();
}

/// Whether all that reads a value are later phases of the task that makes it: then they could
/// compute it again.
static bool isResidual(Value value, TaskOp maker) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    auto task = dyn_cast<TaskOp>(user);
    return task && task.getComponent() == maker.getComponent() &&
           task.getStage() == maker.getStage() && task.getPhase() > maker.getPhase();
  });
}

void Trials::setRecomputeSeconds(OffloadFacts &facts, const std::vector<uint32_t> &levels) const {
  llvm::StringMap<double> bytesPerSecond;
  for (auto [frontier, level] : llvm::zip(frontiers, levels)) {
    const RecomputePoint &now = frontier.points[level];
    double &best = bytesPerSecond[frontier.task];
    for (const RecomputePoint &more : llvm::drop_begin(frontier.points, level + 1))
      best = std::max(best, static_cast<double>(now.heldBytes - more.heldBytes) /
                                (more.seconds - now.seconds));
  }
  for (auto [value, result, maker] : llvm::zip(facts.problem.values, facts.values, facts.makers)) {
    double rate = bytesPerSecond.lookup(recomputeName(maker));
    if (rate == 0 || !isResidual(result, maker))
      continue;
    double bytes = 0;
    for (const planning::OffloadValue::Use &use : value.uses)
      for (const planning::Gap &gap : use.gaps)
        bytes += static_cast<double>(gap.bytes);
    value.recomputeSeconds = bytes / rate;
  }
}

const Trial *Trials::runOffloaded(const Trial &plain, uint64_t limit) {
  auto [it, inserted] =
      offloaded.try_emplace({plain.levels, plain.activationLimit, limit}, std::nullopt);
  std::optional<Trial> &best = it->second;
  if (!inserted)
    return best ? &*best : nullptr;
  ScopedDiagnosticHandler quiet(module.getContext(), [](Diagnostic &) { return success(); });
  Trial base;
  base.levels = plain.levels;
  base.activationLimit = plain.activationLimit;
  OwningOpRef<ModuleOp> copy = schedule(base);
  if (!copy || failed(planWorkspaces(*copy, base)))
    return nullptr;
  auto scheduled = *copy->getOps<ScheduledOp>().begin();
  FailureOr<CostModel> model = CostModel::load(scheduled, options.device, options.profile);
  if (failed(model))
    return nullptr;
  FailureOr<OffloadFacts> facts = offloadFacts(scheduled, *copy, *model);
  if (failed(facts))
    return nullptr;
  if (limit)
    setRecomputeSeconds(*facts, base.levels);
  uint64_t hostLimit = options.hostLimit ? static_cast<uint64_t>(options.hostLimit)
                                         : model->device.hostMemoryBytes.value_or(UINT64_MAX);
  facts->problem.hostLimit = hostLimit;
  // What a rank's arena takes beside the bytes that are alive.
  std::vector<uint64_t> beside;
  for (auto [rank, bytes] : llvm::enumerate(plain.bytes)) {
    const std::vector<uint64_t> &live = facts->problem.live[rank];
    uint64_t most = live.empty() ? 0 : *llvm::max_element(live);
    beside.push_back(bytes - std::min(bytes, most));
  }
  for (unsigned attempt = 0; attempt < kAttempts; ++attempt) {
    facts->problem.limit.clear();
    for (uint64_t bytes : beside)
      facts->problem.limit.push_back(limit - std::min(limit, bytes));
    planning::OffloadChoice choice = planning::chooseOffload(facts->problem);
    if (choice.values.empty())
      break;
    Trial next = base;
    for (uint32_t value : choice.values)
      next.offload.push_back(facts->numbers[value]);
    uint64_t hostBytes = 0;
    if (failed(planMemory(OwningOpRef<ModuleOp>(copy->clone()), next, hostBytes)))
      break;
    if (hostBytes > hostLimit) {
      uint64_t over = hostBytes - hostLimit;
      facts->problem.hostLimit -= std::min(facts->problem.hostLimit, over);
      continue;
    }
    std::vector<uint64_t> bytes = next.bytes;
    bool fits = next.mostBytes() <= limit;
    if (!best || next.mostBytes() < best->mostBytes())
      best = std::move(next);
    if (fits || !choice.fits)
      break;
    // The live bytes were placed less well than without.
    for (auto [rank, needed] : llvm::enumerate(bytes))
      beside[rank] += needed - std::min(needed, limit);
  }
  return best ? &*best : nullptr;
}

const Trial *Trials::runTightest(const std::vector<uint32_t> &levels) {
  auto it = tightest.find(levels);
  if (it != tightest.end())
    return run(levels, it->second);
  const Trial *loose = run(levels);
  if (!loose)
    return nullptr;
  // Each schedule that is found names the next limit. Fewer steps where a step is long.
  uint64_t limit = 0;
  std::vector<uint64_t> activations = loose->activations;
  ScopedDiagnosticHandler quiet(module.getContext(), [](Diagnostic &) { return success(); });
  for (unsigned tries = options.microbatches > 256 ? 4 : 32; tries > 0; --tries) {
    uint64_t most = *std::max_element(activations.begin(), activations.end());
    if (most == 0)
      break;
    Trial tighter;
    tighter.levels = levels;
    tighter.activationLimit = most - 1;
    if (most == 1 || !schedule(tighter))
      break;
    limit = tighter.activationLimit;
    activations = std::move(tighter.activations);
  }
  const Trial *tight = run(levels, limit);
  tightest[levels] = tight ? limit : 0;
  return tight ? tight : loose;
}
