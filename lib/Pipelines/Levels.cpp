//===- Levels.cpp - Names of levels and the passes between them ------------===//

#include "bigmac/Pipelines/Compile.h"

#include "bigmac/Planning/ScheduleBuilder.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/Pipeline/Transforms/Passes.h"
#include "dialects/RT/IR/RT.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace bigmac;

static constexpr std::pair<llvm::StringLiteral, Level> kLevels[] = {{"import", Level::Import},
                                                                    {"training", Level::Training},
                                                                    {"pipeline", Level::Pipeline},
                                                                    {"scheduled", Level::Scheduled},
                                                                    {"rt", Level::RT},
                                                                    {"llvm", Level::LLVM},
                                                                    {"exe", Level::Executable}};

std::optional<Level> bigmac::parseLevel(StringRef name) {
  for (auto [text, level] : kLevels)
    if (name == text)
      return level;
  return std::nullopt;
}

StringRef bigmac::levelName(Level level) {
  for (auto [text, known] : kLevels)
    if (known == level)
      return text;
  llvm_unreachable("unknown level");
}

Level bigmac::levelOf(ModuleOp module) {
  if (!module.getOps<rt::ProgramOp>().empty())
    return Level::RT;
  if (!module.getOps<pipeline::ScheduledOp>().empty())
    return Level::Scheduled;
  if (!module.getOps<pipeline::UnscheduledOp>().empty())
    return Level::Pipeline;
  return Level::Import;
}

void bigmac::buildTrainingPipeline(OpPassManager &passes, const CompileOptions &options) {
  nn::buildRaisePipeline(passes);
  if (options.packProjections == "all" ||
      (options.packProjections == "auto" && options.target == "cuda"))
    passes.addPass(nn::createNNPackProjections());
  if (options.precision == "bf16") {
    nn::NNToBF16Options narrow;
    narrow.master = options.master == "fp32";
    passes.addPass(nn::createNNToBF16(narrow));
  }
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
}

void bigmac::buildPartitionPipeline(OpPassManager &passes, const CompileOptions &options) {
  // Another name than a schedule's is an error of pipeline-schedule.
  planning::Result<planning::ScheduleKind> kind = planning::parseScheduleKind(options.schedule);
  pipeline::PipelinePartitionOptions partition;
  partition.ranks = options.ranks;
  partition.chunks = options.chunks;
  partition.components.assign(options.components.begin(), options.components.end());
  partition.lossWeight = options.lossWeight;
  partition.device = options.device;
  partition.separateStages = kind && *kind == planning::ScheduleKind::SeparateStages;
  partition.microbatches = options.microbatches;
  partition.effort = options.effort;
  passes.addPass(pipeline::createPipelinePartition(partition));
}

void bigmac::buildDifferentiatePipeline(OpPassManager &passes, const CompileOptions &options,
                                        ArrayRef<std::string> recompute) {
  // Another name than a schedule's is an error of pipeline-schedule.
  planning::Result<planning::ScheduleKind> kind = planning::parseScheduleKind(options.schedule);
  pipeline::PipelineDifferentiateOptions derivatives;
  derivatives.splitWeightGradient = kind && planning::splitsBackward(*kind);
  derivatives.narrowGradients = options.grads == "bf16";
  derivatives.recompute.assign(recompute.begin(), recompute.end());
  derivatives.device = options.device;
  passes.addPass(pipeline::createPipelineDifferentiate(derivatives));
  // The derivatives of equal subexpressions are equal: what two rules build twice is one value.
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
}

void bigmac::buildSchedulePipeline(OpPassManager &passes, const CompileOptions &options) {
  pipeline::PipelineScheduleOptions schedule;
  schedule.schedule = options.schedule;
  schedule.microbatches = options.microbatches;
  schedule.effort = options.effort;
  schedule.robust = options.robust;
  schedule.device = options.device;
  schedule.profile = options.profile;
  schedule.activationLimit = options.activationLimit;
  passes.addPass(pipeline::createPipelineSchedule(schedule));
}

void bigmac::buildOffloadPipeline(OpPassManager &passes, const CompileOptions &options,
                                  ArrayRef<int64_t> values) {
  pipeline::PipelineOffloadOptions offload;
  offload.all = options.offload == "all";
  if (options.offload == "auto")
    offload.values.assign(values.begin(), values.end());
  if (offload.all || !offload.values.empty())
    passes.addPass(pipeline::createPipelineOffload(offload));
}
