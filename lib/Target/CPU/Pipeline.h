//===- Pipeline.h - Parts of the CPU pipeline -------------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CPU_PIPELINE_H
#define BIGMAC_TARGET_CPU_PIPELINE_H

#include "bigmac/Target/CPU.h"
#include "mlir/Pass/PassManager.h"

namespace bigmac {

/// To loops and calls on buffers. After it the last argument of each task is its workspace.
void buildCPUBufferPipeline(mlir::OpPassManager &passes);

/// The tasks of a module on buffers, whose last arguments are their workspaces, in its order.
void readWorkspaces(mlir::ModuleOp tasks, mlir::SmallVectorImpl<TaskInfo> &infos);

/// From there to the LLVM dialect.
void buildCPULLVMPipeline(mlir::OpPassManager &passes);

} // namespace bigmac

#endif // BIGMAC_TARGET_CPU_PIPELINE_H
