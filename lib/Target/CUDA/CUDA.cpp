//===- CUDA.cpp - Task functions to an object file -------------------------===//

#include "bigmac/Target/CUDA.h"

#include "bigmac/Target/CUDAPasses.h"
#include "lib/Target/CPU/EmitObject.h"
#include "lib/Target/CPU/Pipeline.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace bigmac;

bool bigmac::hasCUDA(std::string &why) {
  why = BIGMAC_CUDA_MISSING;
  return why.empty();
}

LogicalResult bigmac::planWorkspacesForCUDA(ModuleOp tasks, const CUDAOptions &options,
                                            SmallVectorImpl<TaskInfo> &infos) {
  PassManager toBuffers(tasks.getContext());
  buildCUDATaskPipeline(toBuffers, options.libraries);
  buildCUDABufferPipeline(toBuffers);
  if (failed(toBuffers.run(tasks)))
    return failure();
  readWorkspaces(tasks, infos);
  return success();
}

LogicalResult bigmac::lowerForCUDA(ModuleOp tasks, const CUDAOptions &options,
                                   SmallVectorImpl<TaskInfo> &infos) {
  if (failed(planWorkspacesForCUDA(tasks, options, infos)))
    return failure();
  PassManager toLLVM(tasks.getContext());
  CUDAKernelOptions kernels;
  kernels.chip = options.chip;
  kernels.features = options.features;
  kernels.format = "bin";
  kernels.toolkit = BIGMAC_CUDA_TOOLKIT;
  buildCUDAKernelPipeline(toLLVM, kernels);
  CUDAEmitHostCodeOptions host;
  host.workspace = options.workspace;
  toLLVM.addPass(createCUDAEmitHostCode(host));
  buildCPULLVMPipeline(toLLVM);
  return toLLVM.run(tasks);
}

LogicalResult bigmac::compileForCUDA(ModuleOp tasks, const CUDAOptions &options,
                                     StringRef objectPath, SmallVectorImpl<TaskInfo> &infos) {
  if (failed(lowerForCUDA(tasks, options, infos)))
    return failure();
  // Host code only issues calls: any processor of the machine with the GPUs will do.
  CPUOptions cpu;
  cpu.cpu = "generic";
  return emitObject(tasks, cpu, objectPath);
}
