//===- HostOffload.h - What a scheduled program could offload ---*- C++ -*-===//
//
// The facts of a scheduled program that lib/Planning chooses by, and what a choice comes to.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_CONVERSION_HOSTOFFLOAD_H
#define BIGMAC_CONVERSION_HOSTOFFLOAD_H

#include "bigmac/Planning/Offload.h"
#include "dialects/Pipeline/IR/Program.h"
#include "dialects/Pipeline/Transforms/CostModel.h"
#include "mlir/IR/BuiltinOps.h"

namespace bigmac {

struct OffloadFacts {
  /// Values that some rank does not use for a time. `live` counts all of an arena but parameters,
  /// gradients and optimizer; limits are not set.
  planning::OffloadProblem problem;
  /// By value of the problem: the value, its number, and the task that makes it.
  std::vector<mlir::Value> values;
  std::vector<int64_t> numbers;
  std::vector<pipeline::TaskOp> makers;
};

/// Of a program whose tasks have their workspaces.
mlir::FailureOr<OffloadFacts> offloadFacts(pipeline::ScheduledOp scheduled, mlir::ModuleOp module,
                                           const pipeline::CostModel &model);

/// What `pipeline.offload` ops come to.
struct OffloadFigures {
  struct Value {
    /// Its number, the function that makes it, and the bytes of one instance.
    int64_t number = 0;
    std::string task;
    uint64_t bytes = 0;
    /// Instances that go to the host in a step, and those that have no time to.
    uint64_t moved = 0, stayed = 0;
  };
  std::vector<Value> values;
  /// By rank: seconds of its copies, and what of them it waits for.
  std::vector<double> seconds, exposed;
};

mlir::FailureOr<OffloadFigures> offloadFigures(pipeline::ScheduledOp scheduled,
                                               mlir::ModuleOp module,
                                               const pipeline::CostModel &model);

} // namespace bigmac

#endif // BIGMAC_CONVERSION_HOSTOFFLOAD_H
