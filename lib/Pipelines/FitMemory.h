//===- FitMemory.h - What is held, against a limit --------------*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_FITMEMORY_H
#define BIGMAC_LIB_PIPELINES_FITMEMORY_H

#include "bigmac/Pipelines/Compile.h"
#include "dialects/Pipeline/Transforms/Recompute.h"
#include "llvm/Support/JSON.h"

namespace bigmac {

/// What backwards compute again, what waits in the host's memory, and what the schedule may hold.
struct MemoryFit {
  /// Of tasks whose backwards can compute something again, and the chosen point of each.
  mlir::SmallVector<pipeline::TaskFrontier> frontiers;
  std::vector<uint32_t> levels;
  /// For pipeline-differentiate.
  std::vector<std::string> recompute;
  /// For pipeline-schedule; 0: no limit.
  uint64_t activationLimit = 0;
  /// For pipeline-offload: numbers of values, where the option is "auto".
  std::vector<int64_t> offload;
};

/// Chooses for a partitioned program (with backwards: the schedule only). Without a memory limit,
/// what `options` say. With one: nothing where everything fits; else, of a schedule that holds
/// less, of recomputation and of offloading, with the one schedule or the other, what takes the
/// least time. Each choice is proved by its memory plan. Too small a limit is an error that names
/// the least that works.
mlir::FailureOr<MemoryFit> fitMemory(mlir::ModuleOp module, const CompileOptions &options);

/// What is recomputed, the bytes that it saves on each rank, the seconds that it adds.
mlir::FailureOr<llvm::json::Object> recomputeReport(mlir::ModuleOp scheduled, const MemoryFit &fit);

/// What is offloaded of a scheduled program, and by rank the seconds that its copies take and those
/// that the rank waits for them.
mlir::FailureOr<llvm::json::Object> offloadReport(mlir::ModuleOp scheduled,
                                                  const CompileOptions &options);

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_FITMEMORY_H
