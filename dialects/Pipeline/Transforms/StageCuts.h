//===- StageCuts.h - Where the LLM is cut into stages -----------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_STAGECUTS_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_STAGECUTS_H

#include "bigmac/Planning/DeviceModel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bigmac::pipeline {

/// Cuts `ops`, the LLM's trunk in program order, into `stages` contiguous runs: returns for each op
/// its stage.
///
/// Stages are balanced by seconds on `device`. A cut is allowed only where at most L bytes made by
/// one side are used by the other, with the least L whose best balance is within 1.25 of the best
/// with any cut: in a transformer, between blocks. Errors: more stages than attention blocks (the
/// LLM's layers), or than ops where it has none.
mlir::FailureOr<llvm::SmallVector<int64_t>> cutStages(mlir::func::FuncOp model,
                                                      llvm::ArrayRef<mlir::Operation *> ops,
                                                      int64_t stages,
                                                      const planning::DeviceModel &device);

/// How many stages there can be at most: attention blocks; where there are none, as many as ops, up
/// to 32.
int64_t layersOf(llvm::ArrayRef<mlir::Operation *> ops);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_STAGECUTS_H
