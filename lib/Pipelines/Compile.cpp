//===- Compile.cpp - From a module to a training executable ----------------===//

#include "bigmac/Pipelines/Compile.h"

#include "FitMemory.h"
#include "Report.h"
#include "TaskObjects.h"
#include "bigmac/Conversion/Passes.h"
#include "bigmac/Target/CUDA.h"
#include "bigmac/Target/Executable.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Pipeline.h"
#include "dialects/RT/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <chrono>

using namespace mlir;
using namespace bigmac;

namespace {

/// Says how long a phase took when it ends.
class PhaseTimer {
public:
  PhaseTimer(const CompileOptions &options, StringRef name) : options(options), name(name) {}
  ~PhaseTimer() {
    if (options.timing)
      llvm::errs() << llvm::format(
          "%8.3f s  %s\n",
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          name.str().c_str());
  }

private:
  const CompileOptions &options;
  StringRef name;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

/// A folder that goes away with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder() { code = llvm::sys::fs::createUniqueDirectory("bigmac", path); }
  ~TemporaryFolder() {
    if (!code)
      llvm::sys::fs::remove_directories(path);
  }
  std::error_code error() const { return code; }
  std::string file(StringRef name) const {
    SmallString<256> result(path);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }

private:
  SmallString<256> path;
  std::error_code code;
};

} // namespace

static LogicalResult runPasses(ModuleOp module, StringRef name, const CompileOptions &options,
                               llvm::function_ref<void(OpPassManager &)> build) {
  PhaseTimer timer(options, name);
  PassManager passes(module.getContext());
  build(passes);
  return passes.run(module);
}

/// Tells the program's tasks what their compiled functions need.
static void setWorkspaces(ModuleOp module, ArrayRef<TaskInfo> infos) {
  llvm::StringMap<uint64_t> bytes;
  for (const TaskInfo &info : infos)
    bytes[info.name] = info.workspaceBytes;
  module.walk([&](pipeline::TaskOp task) { task.setWorkspace(bytes.lookup(task.getCallee())); });
}

static LogicalResult lowerToRT(ModuleOp module, const CompileOptions &options,
                               const MemoryFit &fit) {
  llvm::json::Object report;
  ReportPage page;
  if (!options.report.empty()) {
    FailureOr<llvm::json::Object> schedule = scheduleReport(module, options, page);
    if (failed(schedule))
      return failure();
    report = std::move(*schedule);
    FailureOr<llvm::json::Object> recomputation = recomputeReport(module, fit);
    if (failed(recomputation))
      return failure();
    report["recomputation"] = std::move(*recomputation);
    FailureOr<llvm::json::Object> offloading = offloadReport(module, options);
    if (failed(offloading))
      return failure();
    report["offload"] = std::move(*offloading);
  }
  if (failed(runPasses(module, "memory plan and instructions", options, [&](OpPassManager &passes) {
        ConvertPipelineToRTOptions convert;
        convert.replicas = options.replicas;
        convert.memoryLimit = options.memoryLimit;
        convert.hostLimit = options.hostLimit;
        convert.device = options.device;
        convert.profile = options.profile;
        passes.addPass(createConvertPipelineToRT(convert));
        passes.addPass(rt::createRTCheckProgram());
      })))
    return failure();
  if (options.report.empty())
    return success();
  if (isPage(options.report))
    return writePage(module, page, options);
  report["ranks"] = memoryReport(module);
  return writeReport(module.getLoc(), std::move(report), options.report);
}

/// Options that act at a level which the input is past: kept, or an error.
static LogicalResult checkLateOptions(ModuleOp module, const CompileOptions &options) {
  Level level = levelOf(module);
  if (level >= Level::Pipeline && options.recompute != "auto")
    return module.emitError("--recompute=")
           << options.recompute << " is for inputs without backwards, but this one is at level "
           << levelName(level) << "; compile from an earlier level";
  if (level >= Level::Scheduled && options.offload != "auto")
    return module.emitError("--offload=")
           << options.offload << " is for inputs that are not scheduled, but this one is at level "
           << levelName(level) << "; compile from an earlier level";
  if (level >= Level::Pipeline && options.precision != "fp32")
    return module.emitError("--precision=")
           << options.precision << " is for inputs before the pipeline level, but this one is at "
           << "level " << levelName(level)
           << " and has its types; leave the option out, or compile "
           << "from an earlier level";
  if (options.memoryLimit)
    for (auto program : module.getOps<rt::ProgramOp>())
      for (auto rank : program.getBody()->getOps<rt::RankOp>()) {
        int64_t arena = rank.getArena();
        if (arena > options.memoryLimit)
          return rank.emitError("rank ")
                 << rank.getRank() << " is planned with " << arena << " bytes, "
                 << arena - options.memoryLimit
                 << " more than --memory-limit allows; compile from an earlier level";
      }
  return success();
}

/// `fit` receives what is chosen where the levels pass the choice.
static LogicalResult lowerTo(ModuleOp module, Level target, const CompileOptions &options,
                             MemoryFit &fit) {
  Level level = levelOf(module);
  if (level > target)
    return module.emitError("the input is at level ")
           << levelName(level) << ", later than " << levelName(target);
  if (failed(checkLateOptions(module, options)))
    return failure();
  if (level < Level::Training && target >= Level::Training &&
      failed(runPasses(
          module, "training level", options,
          [&](OpPassManager &passes) { buildTrainingPipeline(passes, options); })))
    return failure();
  if (level < Level::Pipeline && target >= Level::Pipeline &&
      failed(runPasses(
          module, "partition", options,
          [&](OpPassManager &passes) { buildPartitionPipeline(passes, options); })))
    return failure();
  if (level < Level::Scheduled && target >= Level::Pipeline) {
    PhaseTimer timer(options, "memory choices");
    FailureOr<MemoryFit> chosen = fitMemory(module, options);
    if (failed(chosen))
      return failure();
    fit = std::move(*chosen);
  }
  if (level < Level::Pipeline && target >= Level::Pipeline &&
      failed(runPasses(
          module, "derivatives", options,
          [&](OpPassManager &passes) {
            buildDifferentiatePipeline(passes, options, fit.recompute);
          })))
    return failure();
  if (level < Level::Scheduled && target >= Level::Scheduled &&
      failed(runPasses(
          module, "schedule", options,
          [&](OpPassManager &passes) {
            CompileOptions within = options;
            within.activationLimit = fit.activationLimit;
            buildSchedulePipeline(passes, within);
            buildOffloadPipeline(passes, options, fit.offload);
          })))
    return failure();
  if (level < Level::RT && target >= Level::RT) {
    SmallVector<TaskInfo> infos;
    OwningOpRef<ModuleOp> tasks = taskFunctions(module);
    if (failed(planWorkspaces(*tasks, options, infos)))
      return failure();
    setWorkspaces(module, infos);
    return lowerToRT(module, options, fit);
  }
  return success();
}

LogicalResult bigmac::lowerTo(ModuleOp module, Level target, const CompileOptions &options) {
  MemoryFit fit;
  return ::lowerTo(module, target, options, fit);
}

LogicalResult bigmac::printLLVM(ModuleOp module, const CompileOptions &options,
                                llvm::raw_ostream &os) {
  if (levelOf(module) < Level::Pipeline && failed(lowerTo(module, Level::Pipeline, options)))
    return failure();
  SmallVector<TaskInfo> infos;
  OwningOpRef<ModuleOp> tasks = taskFunctions(module);
  CPUOptions cpu;
  cpu.cpu = options.cpu;
  if (options.target == "cuda") {
    cpu.cpu = "generic";
    if (failed(lowerForCUDA(*tasks, cudaOptions(options), infos)))
      return failure();
  } else if (failed(lowerForCPU(*tasks, infos))) {
    return failure();
  }
  return printLLVMForCPU(*tasks, cpu, os);
}

/// Workspaces in an rt program that was fed back in must be those of the functions beside it.
static LogicalResult checkWorkspaces(ModuleOp module, ArrayRef<TaskInfo> infos) {
  llvm::StringMap<uint64_t> bytes;
  for (const TaskInfo &info : infos)
    bytes[info.name] = info.workspaceBytes;
  for (auto program : module.getOps<rt::ProgramOp>())
    for (auto task : program.getBody()->getOps<rt::TaskOp>())
      if (task.getBytes().empty() ||
          static_cast<uint64_t>(task.getBytes().back()) < bytes.lookup(task.getCallee()))
        return task.emitError("plans less workspace than the ")
               << bytes.lookup(task.getCallee()) << " bytes that its function needs; compile from "
               << "an earlier level";
  return success();
}

/// Whether files can be made where `output` shall be: known before the work, not after.
static LogicalResult checkWritable(ModuleOp module, StringRef output) {
  if (llvm::sys::fs::is_directory(output))
    return module.emitError("cannot write '") << output << "': it is a folder";
  auto probe = llvm::sys::fs::TempFile::create(output + ".%%%%%%.tmp");
  if (!probe)
    return module.emitError("cannot write '")
           << output << "': " << llvm::toString(probe.takeError());
  llvm::consumeError(probe->discard());
  return success();
}

/// What is written must not replace a file that the model's weights are read from.
static LogicalResult checkInputsKept(ModuleOp module, StringRef output) {
  for (auto parameter : module.getOps<nn::ParameterOp>())
    for (const nn::ParameterPart &part : parameter.getParts())
      if (auto external = dyn_cast<nn::ExternalAttr>(part.init))
        for (const std::string &path : {output.str(), (output + ".safetensors").str()})
          if (llvm::sys::fs::equivalent(path, external.getFile()))
            return module.emitError("would write over '")
                   << path << "', which holds the model's weights; give another -o";
  return success();
}

LogicalResult bigmac::compileExecutable(ModuleOp module, const CompileOptions &options,
                                        StringRef output) {
  if (failed(checkWritable(module, output)) || failed(checkInputsKept(module, output)) ||
      failed(checkLateOptions(module, options)))
    return failure();
  MemoryFit fit;
  if (levelOf(module) < Level::Scheduled &&
      failed(::lowerTo(module, Level::Scheduled, options, fit)))
    return failure();
  TemporaryFolder folder;
  if (folder.error())
    return module.emitError("cannot make a temporary folder: ") << folder.error().message();
  SmallVector<TaskInfo> infos;
  std::string taskObject = folder.file("tasks.o"), planObject = folder.file("plan.o");
  {
    PhaseTimer timer(options, "code");
    if (failed(compileTasks(module, options, taskObject, infos)))
      return failure();
  }
  if (levelOf(module) < Level::RT) {
    setWorkspaces(module, infos);
    if (failed(lowerToRT(module, options, fit)))
      return failure();
  } else if (failed(checkWorkspaces(module, infos)) ||
             failed(
                 runPasses(module, "check of the instructions", options, [](OpPassManager &passes) {
                   passes.addPass(rt::createRTCheckProgram());
                 }))) {
    return failure();
  }

  PhaseTimer timer(options, "weights and link");
  // Beside their place until the program is linked: a failed compilation leaves the program and the
  // weights of an earlier one as they were.
  std::string weightsPath = (output + ".safetensors").str();
  SmallString<256> pending;
  llvm::sys::fs::createUniquePath(weightsPath + ".%%%%%%.tmp", pending, /*MakeAbsolute=*/false);
  FailureOr<WeightsFile> weights = writeWeights(module, pending);
  if (failed(weights))
    return failure();
  PlanOptions plan;
  plan.model = options.modelName;
  plan.options = options.commandLine;
  plan.target = options.target;
  plan.weightsName = llvm::sys::path::filename(weightsPath).str();
  plan.weightsBytes = weights->bytes;
  plan.weightsHeaderHash = weights->headerHash;
  FailureOr<std::vector<unsigned char>> image = writePlanImage(module, plan);
  if (failed(image) || failed(writePlanObject(module, *image, planObject)) ||
      failed(linkExecutable(module.getLoc(), {taskObject, planObject}, output))) {
    llvm::sys::fs::remove(pending);
    return failure();
  }
  if (std::error_code code = llvm::sys::fs::rename(pending, weightsPath)) {
    llvm::sys::fs::remove(pending);
    return module.emitError("cannot write '") << weightsPath << "': " << code.message();
  }
  return success();
}
