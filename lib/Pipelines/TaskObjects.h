//===- TaskObjects.h - Compiled task functions, cached ----------*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_TASKOBJECTS_H
#define BIGMAC_LIB_PIPELINES_TASKOBJECTS_H

#include "bigmac/Pipelines/Compile.h"
#include "bigmac/Target/CPU.h"
#include "bigmac/Target/CUDA.h"
#include "mlir/IR/OwningOpRef.h"

namespace bigmac {

/// A module with the functions that the tasks of `module`'s program call, and nothing else.
mlir::OwningOpRef<mlir::ModuleOp> taskFunctions(mlir::ModuleOp module);

/// What the CUDA target is told.
CUDAOptions cudaOptions(const CompileOptions &options);

/// What the target's code of the functions in `tasks` needs beside its buffers; `tasks` are of no
/// further use.
mlir::LogicalResult planWorkspaces(mlir::ModuleOp tasks, const CompileOptions &options,
                                   mlir::SmallVectorImpl<TaskInfo> &infos);

/// Writes the object of the module's task functions to `objectPath`. Their code depends neither on
/// the schedule nor on counts of microbatches and replicas, so with a cache folder the object of
/// the same functions is taken from there.
mlir::LogicalResult compileTasks(mlir::ModuleOp module, const CompileOptions &options,
                                 llvm::StringRef objectPath,
                                 mlir::SmallVectorImpl<TaskInfo> &infos);

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_TASKOBJECTS_H
