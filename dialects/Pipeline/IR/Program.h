//===- Program.h - A pipeline program as planning sees it -------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_IR_PROGRAM_H
#define BIGMAC_DIALECTS_PIPELINE_IR_PROGRAM_H

#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Schedule.h"
#include "dialects/Pipeline/IR/Pipeline.h"
#include "llvm/ADT/MapVector.h"

namespace bigmac::pipeline {

/// The tasks of a program by what they are, and the values between them.
class Program {
public:
  /// Reads the tasks of a program. Fails, with an error at the task, where two tasks are the same
  /// action, where a stage has no forward, and where a component has no ranks.
  static mlir::FailureOr<Program> read(UnscheduledOp op);
  static mlir::FailureOr<Program> read(ScheduledOp op);

  int64_t ranks() const { return numRanks; }
  int64_t chunks() const { return numChunks; }
  /// LLM stages: as many as ranks that have the LLM, times chunks.
  int64_t stages() const { return ranksOf(Component::llm).count * numChunks; }
  /// Absent: every component is on all ranks.
  const std::optional<planning::RankPlacement> &placement() const { return explicitPlacement; }
  planning::RankRange ranksOf(Component component) const {
    return placed.of(toPlanning(component));
  }

  /// The task that `action` runs on `rank`; null where the program has none.
  TaskOp taskOf(uint32_t rank, const planning::Action &action) const;
  TaskOp task(Component component, Phase phase, int64_t stage) const;
  /// The rank that runs `task` for `microbatch`, and the action by which it does.
  uint32_t rankOf(TaskOp task, uint32_t microbatch) const;
  planning::Action actionOf(TaskOp task, uint32_t microbatch) const;
  /// A number from 1 for each value that a task makes; transfers of it use it as their channel.
  uint32_t channelOf(mlir::Value value) const { return channels.lookup(value); }

  llvm::ArrayRef<TaskOp> tasks() const { return all; }

  /// Which actions a step of `microbatches` has.
  planning::Workload workload(uint32_t microbatches) const;

private:
  mlir::LogicalResult readTasks(mlir::Block &body);
  template <typename OpTy> static mlir::FailureOr<Program> readProgram(OpTy op);

  int64_t numRanks = 1, numChunks = 1;
  std::optional<planning::RankPlacement> explicitPlacement;
  planning::RankPlacement placed;
  llvm::SmallVector<TaskOp> all;
  llvm::DenseMap<uint64_t, TaskOp> byAction;
  llvm::DenseMap<mlir::Value, uint32_t> channels;
};

/// The orders of a (verified) scheduled program, as planning takes them.
planning::Schedule scheduleOf(ScheduledOp scheduled, const Program &program);

/// The dependencies that follow from the values between a program's tasks.
class ProgramDependencies final : public planning::Dependencies {
public:
  explicit ProgramDependencies(const Program &program) : program(program) {}
  void append(uint32_t rank, const planning::Action &consumer,
              std::vector<planning::Dependency> &producers) const override;

private:
  const Program &program;
};

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_IR_PROGRAM_H
