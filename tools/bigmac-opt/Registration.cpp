//===- Registration.cpp - Dialects and passes of the driver ----------------===//

#include "Registration.h"

#include "bigmac/AutoDiff/VJPModels.h"
#include "bigmac/Conversion/Passes.h"
#include "bigmac/Target/CPU.h"
#include "bigmac/Target/CUDA.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/Pipeline/Transforms/Passes.h"
#include "dialects/RT/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/Passes.h"

void bigmac::registerEverything(mlir::DialectRegistry &registry) {
  registry.insert<mlir::arith::ArithDialect, mlir::bufferization::BufferizationDialect,
                  mlir::func::FuncDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect,
                  mlir::tensor::TensorDialect, nn::NNDialect, pipeline::PipelineDialect,
                  rt::RTDialect>();
  registerVJPModels(registry);
  registerCPUDialects(registry);
  registerCUDADialects(registry);

  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerSymbolDCEPass();
  registerConversionPasses();
  registerCPUPasses();
  registerCUDAPasses();
  nn::registerNNPasses();
  nn::registerNNPipelines();
  pipeline::registerPipelinePasses();
  rt::registerRTPasses();
}
