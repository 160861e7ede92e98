//===- CPU.cpp - Task functions to an object file --------------------------===//

#include "bigmac/Target/CPU.h"
#include "EmitObject.h"
#include "Pipeline.h"

#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace bigmac;

void bigmac::readWorkspaces(ModuleOp tasks, SmallVectorImpl<TaskInfo> &infos) {
  for (auto task : tasks.getOps<func::FuncOp>())
    if (!task.isExternal() && task.isPublic()) {
      auto workspace = cast<MemRefType>(task.getArgumentTypes().back());
      infos.push_back({task.getName().str(), static_cast<uint64_t>(workspace.getNumElements())});
    }
}

LogicalResult bigmac::planWorkspacesForCPU(ModuleOp tasks, SmallVectorImpl<TaskInfo> &infos) {
  PassManager toBuffers(tasks.getContext());
  buildCPUBufferPipeline(toBuffers);
  if (failed(toBuffers.run(tasks)))
    return failure();
  readWorkspaces(tasks, infos);
  return success();
}

LogicalResult bigmac::lowerForCPU(ModuleOp tasks, SmallVectorImpl<TaskInfo> &infos) {
  if (failed(planWorkspacesForCPU(tasks, infos)))
    return failure();
  PassManager toLLVM(tasks.getContext());
  buildCPULLVMPipeline(toLLVM);
  return toLLVM.run(tasks);
}

LogicalResult bigmac::compileForCPU(ModuleOp tasks, const CPUOptions &options, StringRef objectPath,
                                    SmallVectorImpl<TaskInfo> &infos) {
  if (failed(lowerForCPU(tasks, infos)))
    return failure();
  return emitObject(tasks, options, objectPath);
}
