//===- PipelineSchedule.cpp - Orders the actions of every rank -------------===//

#include "bigmac/Planning/ScheduleBuilder.h"
#include "dialects/Pipeline/IR/Program.h"
#include "dialects/Pipeline/Transforms/Passes.h"
#include "dialects/Pipeline/Transforms/TaskCosts.h"

namespace bigmac::pipeline {
#define GEN_PASS_DEF_PIPELINESCHEDULE
#include "dialects/Pipeline/Transforms/Passes.h.inc"
} // namespace bigmac::pipeline

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

/// Only separate-stages has components on ranks of their own, and it has nothing else.
static LogicalResult checkPlaced(UnscheduledOp unscheduled, bool separate, StringRef schedule) {
  if (separate && !unscheduled.getPlacement())
    return unscheduled.emitError("has every component on all ranks, but schedule '")
           << schedule << "' gives encoder and generator ranks of their own; partition the model "
           << "with separate-stages (compile it again with --schedule=" << schedule << ")";
  if (!separate && unscheduled.getPlacement())
    return unscheduled.emitError("has components on ranks of their own, but schedule '")
           << schedule << "' has every component on all ranks; use separate-stages, or partition "
           << "the model without it (compile it again with --schedule=" << schedule << ")";
  return success();
}

/// Schedules that split B from W take programs that are split, the others programs that are not.
static LogicalResult checkSplit(UnscheduledOp unscheduled, bool splits, StringRef schedule) {
  // Stages whose backward has left gradients to a task of their own.
  DenseSet<int64_t> split;
  for (auto task : unscheduled.getBody()->getOps<TaskOp>())
    if (task.getPhase() == Phase::weight_gradient)
      split.insert(task.getStage());
  for (auto task : unscheduled.getBody()->getOps<TaskOp>()) {
    if (task.getComponent() != Component::llm)
      continue;
    if (!splits && task.getPhase() == Phase::weight_gradient)
      return task.emitError("is a weight gradient of its own, which schedule '")
             << schedule << "' does not run; use zb or bigmac-zb, or differentiate the program "
             << "without split-weight-gradient (compile it again with --schedule=" << schedule
             << ")";
    // A backward without outputs is nothing but weight gradients: no stage waits for it.
    if (splits && task.getPhase() == Phase::backward && task.getNumResults() != 0 &&
        !task.getGradients().empty() && !split.contains(task.getStage()))
      return task.emitError("is a whole backward, but schedule '")
             << schedule << "' runs input gradients and weight gradients apart; differentiate the "
             << "program with split-weight-gradient (compile it again with --schedule=" << schedule
             << ")";
  }
  return success();
}

namespace {
struct PipelineSchedulePass : public pipeline::impl::PipelineScheduleBase<PipelineSchedulePass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<UnscheduledOp> programs(getOperation().getOps<UnscheduledOp>());
    if (programs.size() != 1) {
      getOperation().emitError("expected one pipeline.unscheduled program, found ")
          << programs.size();
      return signalPassFailure();
    }
    if (failed(scheduleProgram(programs.front())))
      signalPassFailure();
  }

  LogicalResult scheduleProgram(UnscheduledOp unscheduled) {
    int64_t count = microbatches == 0 ? unscheduled.getRanks() : microbatches;
    if (count < 1 || count > INT32_MAX)
      return unscheduled.emitError("expected at least one microbatch, found ") << count;
    if (effort < 0 || effort > UINT32_MAX)
      return unscheduled.emitError("expected an effort of 0 or more, found ") << effort;
    auto kind = planning::parseScheduleKind(schedule.getValue());
    if (!kind)
      return unscheduled.emitError(kind.message());
    bool separate = *kind == planning::ScheduleKind::SeparateStages;
    if (failed(checkPlaced(unscheduled, separate, schedule)) ||
        failed(checkSplit(unscheduled, planning::splitsBackward(*kind), schedule)))
      return failure();
    FailureOr<Program> program = Program::read(unscheduled);
    if (failed(program))
      return failure();
    ProgramDependencies dependencies(*program);
    planning::Problem problem;
    problem.ranks = unscheduled.getRanks();
    problem.chunks = unscheduled.getChunks();
    problem.microbatches = count;
    problem.placement = program->placement();
    FailureOr<CostModel> model = CostModel::load(unscheduled, device, profile);
    if (failed(model))
      return failure();
    std::string scaled;
    FailureOr<planning::Costs> costs = taskCosts(*program, getOperation(), *model, &scaled);
    if (failed(costs))
      return failure();
    if (!scaled.empty())
      unscheduled.emitRemark("the profile is of another partition; its times scale the analytic "
                             "ones: ")
          << scaled;
    problem.costs = std::move(*costs);
    problem.effort = effort;
    problem.robust = robust;
    if (activationLimit)
      problem.memoryLimit = activationLimit;
    problem.dependencies = &dependencies;
    auto built = planning::buildSchedule(*kind, problem);
    if (!built)
      return unscheduled.emitError("cannot build the schedule: ") << built.message();

    OpBuilder builder(unscheduled);
    auto scheduled = ScheduledOp::create(
        builder, unscheduled.getLoc(), unscheduled.getSymName(), unscheduled.getRanks(),
        unscheduled.getChunks(), unscheduled.getSamples(), unscheduled.getPlacementAttr(),
        builder.getStringAttr(schedule.getValue()), count, built->window, built->warmupExtra);
    scheduled.getBodyRegion().takeBody(unscheduled.getBodyRegion());
    builder.setInsertionPointToEnd(scheduled.getBody());
    for (auto [rank, order] : llvm::enumerate(built->orders))
      OrderOp::create(builder, unscheduled.getLoc(), rank, packActions(order));
    unscheduled.erase();
    return success();
  }
};
} // namespace
