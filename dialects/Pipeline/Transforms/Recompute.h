//===- Recompute.h - What backwards compute again ---------------*- C++ -*-===//
//
// A task's backward reads values of its forward. Each is kept in memory between the two, or
// computed again from others that are kept. The exchange rate between bytes and seconds decides,
// one for each task; all that any rate gives is the task's frontier.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_RECOMPUTE_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_RECOMPUTE_H

#include "OpCost.h"
#include "bigmac/AutoDiff/SplitPhases.h"
#include "dialects/Pipeline/IR/Pipeline.h"
#include "llvm/ADT/StringMap.h"

#include <limits>
#include <string>

namespace bigmac::pipeline {

/// The name under which a task's phases are chosen for together: "llm.0", "encoder".
std::string recomputeName(TaskOp task);

/// Bytes that a second of recomputation must save, by task. Text: "none" (infinite), "full" (0), or
/// a whole number.
class RecomputeLevels {
public:
  /// Entries LEVEL, for all tasks without one of their own, or TASK=LEVEL. Errors are at `loc`.
  static mlir::FailureOr<RecomputeLevels> parse(mlir::Location loc,
                                                llvm::ArrayRef<std::string> entries);
  static std::string spell(double bytesPerSecond);

  /// The policy of a task where ops take what they take on `device`.
  RecomputePolicy policyOf(llvm::StringRef task, const planning::DeviceModel &device) const;
  /// Fails where a named task is none of the program's.
  mlir::LogicalResult check(UnscheduledOp program) const;

private:
  double others = std::numeric_limits<double>::infinity();
  llvm::StringMap<double> byTask;
};

/// One way to cut a task's forward from its backward.
struct RecomputePoint {
  double bytesPerSecond = std::numeric_limits<double>::infinity();
  /// What one microbatch holds from the forward until the last of its backward phases.
  uint64_t heldBytes = 0;
  /// Intermediate values in the backward, estimated (PhaseSplit::transientBytes).
  uint64_t transientBytes = 0;
  /// What recomputation adds to one run of the backward.
  double seconds = 0;
};

struct TaskFrontier {
  std::string task;
  Component component = Component::llm;
  int64_t stage = 0;
  /// From nothing recomputed to everything: `heldBytes` falls, `seconds` rises.
  llvm::SmallVector<RecomputePoint> points;
};

/// The frontier of a task that is cut by `split`.
TaskFrontier recomputeFrontier(TaskOp task, const planning::DeviceModel &device,
                               llvm::function_ref<PhaseSplit(const RecomputePolicy &)> split);

struct DifferentiateOptions {
  /// Cut LLM backwards into input gradient and weight gradient.
  bool splitWeightGradient = false;
  /// Gradients of parameters narrower than f32 are accumulated in their type, not in f32.
  bool narrowGradients = false;
  RecomputeLevels recompute;
  /// Whose seconds are weighed against bytes.
  planning::DeviceModel device = defaultDevice();
  /// Receives the frontier of each task whose backward is apart from its forward.
  llvm::SmallVectorImpl<TaskFrontier> *frontiers = nullptr;
};

/// The pass pipeline-differentiate.
mlir::LogicalResult differentiateProgram(mlir::ModuleOp module,
                                         const DifferentiateOptions &options);

/// The frontiers of a program that has no backwards yet, in the order of its tasks; `module` stays
/// as it is. A task that is not differentiated, or in one piece (the generator), has none.
mlir::FailureOr<llvm::SmallVector<TaskFrontier>> recomputeFrontiers(mlir::ModuleOp module,
                                                                    DifferentiateOptions options);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_RECOMPUTE_H
