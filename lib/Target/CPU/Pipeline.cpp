//===- Pipeline.cpp - From task functions to the LLVM dialect --------------===//

#include "Pipeline.h"

#include "bigmac/Conversion/Passes.h"
#include "bigmac/Target/CPU.h"
#include "bigmac/Target/CPUPasses.h"
#include "bigmac/Target/TaskPasses.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/AllInterfaces.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/TensorTilingInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace bigmac;

void bigmac::registerCPUDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, arith::ArithDialect, bufferization::BufferizationDialect,
                  func::FuncDialect, linalg::LinalgDialect, LLVM::LLVMDialect, math::MathDialect,
                  memref::MemRefDialect, scf::SCFDialect, tensor::TensorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerAllDialectInterfaceImplementations(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  tensor::registerTilingInterfaceExternalModels(registry);
}

/// Task functions to structured ops on tensors, as few and as large as pays.
static void buildTensorPasses(OpPassManager &passes) {
  passes.addPass(createTaskDestinations());
  passes.nest<func::FuncOp>().addPass(createTaskAccumulateFirst());
  passes.nest<func::FuncOp>().addPass(createTaskRaiseConcats());
  passes.addPass(createConvertNNToLinalg());
  OpPassManager &functions = passes.nest<func::FuncOp>();
  functions.addPass(createTaskFoldContractions());
  functions.addPass(createTaskFuseElementwise());
  // Pieces are elementwise ops too: they fuse again.
  functions.addPass(createTaskSplitConcats());
  functions.addPass(createTaskFuseElementwise());
  // When bodies are as large as they get: what passes within one is not rounded.
  functions.addPass(createTaskWidenArithmetic());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
  functions.addPass(createTaskFuseRows());
  functions.addPass(createCanonicalizerPass());
}

/// Tensors to buffers whose places are known, then to loops and calls.
static void buildBufferPasses(OpPassManager &passes) {
  passes.addPass(createCPUBufferize());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createConvertContractToGemm());
  passes.nest<func::FuncOp>().addPass(createCPULowerToLoops());
  passes.addPass(createCanonicalizerPass());
  // Nothing in between: places are chosen for the loops that become kernels.
  passes.addPass(createCPUPlanWorkspace());
  passes.addPass(createCPUOutlineKernels());
}

void bigmac::buildCPUBufferPipeline(OpPassManager &passes) {
  buildTensorPasses(passes);
  buildBufferPasses(passes);
}

void bigmac::buildCPULLVMPipeline(OpPassManager &passes) {
  passes.addPass(memref::createExpandStridedMetadataPass());
  passes.addPass(createLowerAffinePass());
  passes.addPass(createExpandFloatMath());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createSCFToControlFlowPass());
  passes.nest<func::FuncOp>().addPass(createConvertMathToLLVMPass());
  passes.addPass(createConvertMathToLibmPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertIndexToLLVMPass());
  passes.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions functionOptions;
  functionOptions.useBarePtrCallConv = true;
  passes.addPass(createConvertFuncToLLVMPass(functionOptions));
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.addPass(createCPUEmitEntryPoints());
}

void bigmac::buildCPUPipeline(OpPassManager &passes) {
  buildCPUBufferPipeline(passes);
  buildCPULLVMPipeline(passes);
}

void bigmac::registerCPUPasses() {
  registerTaskPasses();
  registerCPUTargetPasses();
  PassPipelineRegistration<>("cpu-pipeline", "Task functions on tensors to the LLVM dialect",
                             buildCPUPipeline);
}
