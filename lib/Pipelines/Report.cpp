//===- Report.cpp - What was decided, as JSON and as a page ---------------===//

#include "Report.h"

#include "bigmac/Planning/Executor.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Program.h"
#include "dialects/Pipeline/Transforms/TaskCosts.h"
#include "dialects/RT/IR/RT.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

/// What was chosen from, as AutoCandidate has it.
static llvm::json::Array autoReport(const planning::AutoRanking &ranking) {
  llvm::json::Array rows;
  for (const planning::AutoCandidate &c : ranking.candidates) {
    llvm::json::Object row{{"pipeline_ranks", static_cast<int64_t>(c.ranks)},
                           {"chunks", static_cast<int64_t>(c.chunks)},
                           {"replicas", static_cast<int64_t>(c.replicas)},
                           {"schedule", StringRef(planning::scheduleName(c.schedule))}};
    if (c.step > 0) {
      row["microbatches"] = static_cast<int64_t>(c.microbatches);
      row["recompute"] = planning::recomputeName(c.recompute);
      row["step_seconds"] = c.step;
      row["makespan"] = c.makespan;
      row["reduction_seconds"] = c.reduction;
      row["bubble"] = c.bubble;
      row["peak_bytes"] = c.peakBytes;
      row["extended"] = c.extended;
    }
    if (!c.rejected.empty())
      row["rejected"] = c.rejected;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// What was measured beside what is predicted from it.
static llvm::json::Object profileReport(const planning::Profile &profile, bool exact) {
  return llvm::json::Object{{"pipeline_ranks", static_cast<int64_t>(profile.ranks)},
                            {"chunks", static_cast<int64_t>(profile.chunks)},
                            {"microbatches", static_cast<int64_t>(profile.microbatches)},
                            {"steps", static_cast<int64_t>(profile.steps)},
                            {"step_seconds", profile.stepSeconds},
                            {"same_partition", exact}};
}

/// As the program's own types have it: an input of a later level brings its precision along.
static std::string precisionOf(ModuleOp module, const Program &program) {
  bool isNarrow = false, hasMaster = false;
  for (auto parameter : module.getOps<nn::ParameterOp>()) {
    isNarrow |= parameter.getTrained() && getElementTypeOrSelf(parameter.getType()).isBF16();
    hasMaster |= parameter.getMaster();
  }
  if (!isNarrow)
    return "fp32";
  bool hasNarrowGradients = false;
  SymbolTable symbols(module);
  for (TaskOp task : program.tasks())
    for (Type type : symbols.lookup<func::FuncOp>(task.getCallee())
                         .getArgumentTypes()
                         .take_back(task.getGradients().size()))
      hasNarrowGradients |= getElementTypeOrSelf(type).isBF16();
  return std::string("bf16, master weights ") + (hasMaster ? "fp32" : "none") + ", gradients " +
         (hasNarrowGradients ? "bf16" : "fp32");
}

FailureOr<llvm::json::Object> bigmac::scheduleReport(ModuleOp module, const CompileOptions &options,
                                                     ReportPage &page) {
  auto scheduled = *module.getOps<ScheduledOp>().begin();
  FailureOr<Program> program = Program::read(scheduled);
  if (failed(program))
    return failure();
  planning::Schedule schedule = scheduleOf(scheduled, *program);
  FailureOr<CostModel> model = CostModel::load(scheduled, options.device, options.profile);
  if (failed(model))
    return failure();
  std::string scaled;
  FailureOr<planning::Costs> found = taskCosts(*program, module, *model, &scaled);
  if (failed(found))
    return failure();
  const planning::Costs &costs = *found;
  ProgramDependencies dependencies(*program);
  auto timing = planning::execute(schedule, dependencies, costs);
  if (!timing)
    return scheduled.emitError("cannot execute the schedule: ") << timing.message();
  auto figures = planning::measure(schedule, *timing, dependencies, costs);
  if (!figures)
    return scheduled.emitError("cannot measure the schedule: ") << figures.message();
  llvm::json::Object report{
      {"schedule", scheduled.getSchedule()},
      {"device", model->device.name},
      {"precision", precisionOf(module, *program)},
      {"pipeline_ranks", static_cast<int64_t>(schedule.ranks)},
      {"chunks", static_cast<int64_t>(schedule.chunks)},
      {"microbatches", static_cast<int64_t>(schedule.microbatches)},
      {"makespan", figures->makespan},
      {"bound", figures->bound},
      {"tight_bound", figures->tightBound},
      {"bubble", figures->bubble},
      {"window", static_cast<int64_t>(schedule.window)},
      {"warmup_extra", static_cast<int64_t>(schedule.warmupExtra)},
      {"peak_units",
       llvm::json::Object{{"encoder", static_cast<int64_t>(figures->peakEncoderUnits)},
                          {"generator", static_cast<int64_t>(figures->peakGeneratorUnits)}}},
      {"peak_llm_microbatches", figures->peakLlmMicrobatches},
      {"peak_pending_w", static_cast<int64_t>(figures->peakPendingWeightGradients)},
      {"peak_bytes", llvm::json::Array(figures->peakBytes)},
      {"actions", static_cast<int64_t>(figures->actions)}};
  if (!options.ranking.candidates.empty())
    report["auto"] = autoReport(options.ranking);
  if (model->profile)
    report["profile"] = profileReport(*model->profile, scaled.empty());
  if (schedule.placement) {
    // Ranks that have nothing but the component, as bigmac-sim counts them.
    const planning::RankRange &llm = schedule.placement->llm;
    report["split"] =
        llvm::json::Object{{"encoder", static_cast<int64_t>(llm.first)},
                           {"llm", static_cast<int64_t>(llm.count)},
                           {"generator", static_cast<int64_t>(schedule.ranks - llm.end())}};
  }

  page.name = scheduled.getSchedule().str();
  page.transfer = costs.transfer;
  page.notes.emplace_back(model->profile ? "times measured on" : "times predicted for",
                          model->device.name);
  page.notes.emplace_back("precision", precisionOf(module, *program));
  if (options.replicas > 1)
    page.notes.emplace_back("replicas", std::to_string(options.replicas));
  page.schedule = std::move(schedule);
  page.timing = std::move(*timing);
  page.figures = std::move(*figures);
  page.record(dependencies);
  return report;
}

llvm::json::Array bigmac::memoryReport(ModuleOp module) {
  // The order of the plan image's bm_memory.
  static constexpr llvm::StringLiteral kClasses[] = {
      "parameters",      "gradients",           "optimizer",
      "llm_activations", "encoder_activations", "generator_activations",
      "transfers",       "workspace",           "inputs"};
  llvm::json::Array ranks;
  for (auto program : module.getOps<rt::ProgramOp>())
    for (auto rank : program.getBody()->getOps<rt::RankOp>()) {
      llvm::json::Object bytes{{"rank", rank.getRank()}, {"arena", rank.getArena()}};
      bytes["host_arena"] = rank.getHostArena();
      for (auto [name, value] : llvm::zip(kClasses, rank.getMemory()))
        bytes[name] = value;
      if (std::optional<uint64_t> live = rank.getLive(); live && *live > 0) {
        bytes["live_bytes"] = static_cast<int64_t>(*live);
        bytes["fragmentation"] =
            static_cast<double>(rank.getScratchBytes()) / static_cast<double>(*live);
      }
      ranks.push_back(std::move(bytes));
    }
  return ranks;
}

static LogicalResult writeText(Location loc, StringRef text, StringRef path) {
  if (path == "-") {
    llvm::outs() << text;
    return success();
  }
  auto temporary = llvm::sys::fs::TempFile::create(path + ".%%%%%%.tmp");
  if (!temporary)
    return emitError(loc) << "cannot write '" << path
                          << "': " << llvm::toString(temporary.takeError());
  llvm::raw_fd_ostream os(temporary->FD, /*shouldClose=*/false);
  os << text;
  os.flush();
  bool failedWrite = os.has_error();
  os.clear_error();
  if (failedWrite) {
    llvm::consumeError(temporary->discard());
    return emitError(loc) << "cannot write '" << path << "'";
  }
  if (llvm::Error error = temporary->keep(path))
    return emitError(loc) << "cannot write '" << path << "': " << llvm::toString(std::move(error));
  return success();
}

LogicalResult bigmac::writeReport(Location loc, llvm::json::Object report, StringRef path) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(report)));
  return writeText(loc, text, path);
}

bool bigmac::isPage(StringRef path) { return path.ends_with(".html"); }

LogicalResult bigmac::writePage(ModuleOp module, const ReportPage &page,
                                const CompileOptions &options) {
  std::string title = llvm::formatv(
      "{0}: {1} ranks, {2} chunk{3}, {4} microbatches", options.modelName, page.schedule.ranks,
      page.schedule.chunks, page.schedule.chunks == 1 ? "" : "s", page.schedule.microbatches);
  FailureOr<std::string> text = page.render(module, title, options.memoryLimit);
  if (failed(text))
    return failure();
  return writeText(module.getLoc(), *text, options.report);
}
