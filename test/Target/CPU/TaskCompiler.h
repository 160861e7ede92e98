//===- TaskCompiler.h - How a TaskRunner compiles ---------------*- C++ -*-===//
//
// One definition a test program: for the CPU (CPUTaskCompiler.cpp), or for GPUs that this process
// stands in for (test/Target/CUDA).
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TEST_TARGET_CPU_TASKCOMPILER_H
#define BIGMAC_TEST_TARGET_CPU_TASKCOMPILER_H

#include "bigmac/Target/CPU.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

#include <string>

namespace bigmac::test {

void registerTaskDialects(mlir::DialectRegistry &registry);

/// Writes object files that define the tasks of `module`: at `path`, and at those that are added to
/// `more`.
mlir::LogicalResult compileTasks(mlir::ModuleOp module, const std::string &cpu,
                                 const std::string &path, llvm::SmallVector<TaskInfo> &infos,
                                 llvm::SmallVector<std::string> &more);

/// Tells what tasks call that tasks of this result of dlopen are about to run.
void tasksLoaded(void *library);

} // namespace bigmac::test

#endif // BIGMAC_TEST_TARGET_CPU_TASKCOMPILER_H
