//===- PipelineOffload.cpp - Which values wait in the host's memory --------===//

#include "dialects/Pipeline/IR/Program.h"
#include "dialects/Pipeline/Transforms/Passes.h"

namespace bigmac::pipeline {
#define GEN_PASS_DEF_PIPELINEOFFLOAD
#include "dialects/Pipeline/Transforms/Passes.h.inc"
} // namespace bigmac::pipeline

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

/// Whether some rank uses a value in one phase of a task and again in a later one.
static bool isHeld(Value value) {
  SmallVector<TaskOp> users;
  if (auto maker = value.getDefiningOp<TaskOp>())
    users.push_back(maker);
  for (Operation *user : value.getUsers())
    if (auto task = dyn_cast<TaskOp>(user))
      users.push_back(task);
  // Phases of one task run on one rank.
  for (TaskOp first : users)
    for (TaskOp later : users)
      if (first.getComponent() == later.getComponent() && first.getStage() == later.getStage() &&
          first.getPhase() < later.getPhase())
        return true;
  return false;
}

namespace {
struct PipelineOffloadPass : public pipeline::impl::PipelineOffloadBase<PipelineOffloadPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<ScheduledOp> programs(getOperation().getOps<ScheduledOp>());
    if (programs.size() != 1) {
      getOperation().emitError("expected one pipeline.scheduled program, found ")
          << programs.size();
      return signalPassFailure();
    }
    if (failed(mark(programs.front())))
      signalPassFailure();
  }

  LogicalResult mark(ScheduledOp scheduled) {
    if (!scheduled.getBody()->getOps<OffloadOp>().empty())
      return scheduled.emitError("says already which values are offloaded");
    FailureOr<Program> program = Program::read(scheduled);
    if (failed(program))
      return failure();
    // In the order of their numbers.
    SmallVector<Value> made;
    for (TaskOp task : program->tasks())
      llvm::append_range(made, task.getOutputs());
    SmallVector<Value> chosen;
    if (all)
      llvm::copy_if(made, std::back_inserter(chosen), isHeld);
    for (int64_t number : values) {
      if (number < 1 || number > static_cast<int64_t>(made.size()))
        return scheduled.emitError("has no value ")
               << number << " to offload, only 1 to " << made.size();
      chosen.push_back(made[number - 1]);
    }
    OpBuilder builder(scheduled);
    builder.setInsertionPointToEnd(scheduled.getBody());
    for (Value value : chosen)
      OffloadOp::create(builder, value.getLoc(), value);
    return success();
  }
};
} // namespace
