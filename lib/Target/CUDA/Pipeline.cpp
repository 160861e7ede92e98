//===- Pipeline.cpp - From task functions to device code -------------------===//

#include "bigmac/Conversion/Passes.h"
#include "bigmac/Target/CPUPasses.h"
#include "bigmac/Target/CUDA.h"
#include "bigmac/Target/CUDAPasses.h"
#include "bigmac/Target/TaskPasses.h"
#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVM/NVVM/Target.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

void bigmac::registerCUDADialects(DialectRegistry &registry) {
  registerCUDABufferization(registry);
  // The conversion to nvvm changes the types of blocks and of workgroup memory; what uses them must
  // change with them.
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  registry.insert<CUDADialect, gpu::GPUDialect, LLVM::LLVMDialect, NVVM::NVVMDialect,
                  vector::VectorDialect>();
  NVVM::registerNVVMTargetInterfaceExternalModels(registry);
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

void bigmac::buildCUDATaskPipeline(OpPassManager &passes, const CUDALibraryOptions &libraries) {
  passes.addPass(createTaskDestinations());
  passes.nest<func::FuncOp>().addPass(createTaskAccumulateFirst());
  passes.nest<func::FuncOp>().addPass(createTaskRaiseConcats());
  ConvertNNToCUDAOptions conversion;
  conversion.attentionLibrary = libraries.attention.value_or(BIGMAC_CUDA_ATTENTION);
  conversion.epilogues = libraries.epilogues;
  passes.addPass(createConvertNNToCUDA(conversion));
  passes.addPass(createConvertNNToLinalg());
  OpPassManager &functions = passes.nest<func::FuncOp>();
  functions.addPass(createTaskFoldContractions());
  functions.addPass(createTaskFuseElementwise());
  functions.addPass(createTaskSplitConcats());
  functions.addPass(createTaskFuseElementwise());
  functions.addPass(createTaskWidenArithmetic());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
  functions.addPass(createCUDASplitReductions());
  functions.addPass(createCanonicalizerPass());
  // Everything is a kernel here, so nothing is too small for a loop; long rows are shared by the
  // threads of a block.
  TaskFuseRowsOptions rows;
  rows.leastOps = 1;
  rows.mostRowElements = 256 * 1024;
  rows.sumsAlone = true;
  rows.kernels = true;
  functions.addPass(createTaskFuseRows(rows));
  // Equal reads of a row become one load. Not canonicalized: a loop over one row is a kernel, too.
  functions.addPass(createCSEPass());
  passes.addPass(createCUDAGenerateKernels());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
}

void bigmac::buildCUDABufferPipeline(OpPassManager &passes) {
  passes.addPass(createCPUBufferize());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createConvertContractToCUDA());
  passes.addPass(createCUDAOutlineElements());
  passes.addPass(createCUDAMergeKernels());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createCPUPlanWorkspace());
}

void bigmac::buildCUDAKernelLLVMPipeline(OpPassManager &passes) {
  OpPassManager &kernels = passes.nest<gpu::GPUModuleOp>();
  kernels.addPass(createConvertVectorToSCFPass());
  kernels.addPass(createLowerAffinePass());
  kernels.addPass(createSCFToControlFlowPass());
  // Before the vector and math conversions: it maps workgroup memory, and math to libdevice.
  ConvertGpuOpsToNVVMOpsOptions nvvm;
  nvvm.useBarePtrCallConv = true;
  nvvm.indexBitwidth = 64;
  kernels.addPass(createConvertGpuOpsToNVVMOps(nvvm));
  kernels.addPass(createConvertVectorToLLVMPass());
  kernels.addPass(createConvertMathToLLVMPass());
  kernels.addPass(createArithToLLVMConversionPass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
}

void bigmac::buildCUDAKernelPipeline(OpPassManager &passes, const CUDAKernelOptions &options) {
  buildCUDAKernelLLVMPipeline(passes);
  GpuNVVMAttachTargetOptions target;
  target.chip = options.chip;
  target.features = options.features;
  target.optLevel = 3;
  passes.addPass(createGpuNVVMAttachTarget(target));
  GpuModuleToBinaryPassOptions binary;
  binary.toolkitPath = options.toolkit;
  binary.compilationTarget = options.format;
  passes.addPass(createGpuModuleToBinaryPass(binary));
}

void bigmac::registerCUDAPasses() {
  registerCUDATargetPasses();
  PassPipelineRegistration<>("cuda-task-pipeline", "Task functions on tensors to GPU kernels",
                             [](OpPassManager &passes) { buildCUDATaskPipeline(passes); });
  PassPipelineRegistration<>("cuda-buffer-pipeline", "Tasks and kernels to buffers",
                             buildCUDABufferPipeline);
  PassPipelineRegistration<CUDAKernelOptions>("cuda-kernel-pipeline", "GPU kernels to device code",
                                              buildCUDAKernelPipeline);
}
