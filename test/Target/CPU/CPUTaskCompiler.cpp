//===- CPUTaskCompiler.cpp - Compiles tasks for this CPU -------------------===//

#include "TaskCompiler.h"
#include "TaskRunner.h"

using namespace bigmac;

void test::registerTaskDialects(mlir::DialectRegistry &registry) { registerCPUDialects(registry); }

bool test::isForCPU() { return true; }

mlir::LogicalResult test::compileTasks(mlir::ModuleOp module, const std::string &cpu,
                                       const std::string &path, llvm::SmallVector<TaskInfo> &infos,
                                       llvm::SmallVector<std::string> &more) {
  return compileForCPU(module, CPUOptions{cpu}, path, infos);
}

void test::tasksLoaded(void *library) {}
