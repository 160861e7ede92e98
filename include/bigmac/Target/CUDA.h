//===- CUDA.h - Task functions to GPU kernels -------------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_H
#define BIGMAC_TARGET_CUDA_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassOptions.h"

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace bigmac {

struct CUDAKernelOptions : mlir::PassPipelineOptions<CUDAKernelOptions> {
  Option<std::string> chip{*this, "chip", llvm::cl::desc("Device architecture, as ptxas's -arch"),
                           llvm::cl::init("sm_90")};
  Option<std::string> features{*this, "features", llvm::cl::desc("PTX version"),
                               llvm::cl::init("+ptx80")};
  Option<std::string> format{*this, "format",
                             llvm::cl::desc("isa (PTX text), bin (cubin) or fatbin"),
                             llvm::cl::init("isa")};
  Option<std::string> toolkit{*this, "toolkit",
                              llvm::cl::desc("Folder of the CUDA toolkit, for libdevice and ptxas"),
                              llvm::cl::init("")};
};

/// Dialects, interfaces and translations that the passes need, beside nn.
void registerCUDADialects(mlir::DialectRegistry &registry);

/// Task functions on tensors to tasks that launch kernels: each loop over rows, and each
/// elementwise op, reduction or data movement left alone, in a kernel of `gpu.module @kernels`.
void buildCUDATaskPipeline(mlir::OpPassManager &passes);

/// `gpu.module`s to `gpu.binary`s. Kernels take bare pointers.
void buildCUDAKernelPipeline(mlir::OpPassManager &passes, const CUDAKernelOptions &options);

/// Registers the CUDA target's passes, `cuda-task-pipeline` and `cuda-kernel-pipeline`.
void registerCUDAPasses();

} // namespace bigmac

#endif // BIGMAC_TARGET_CUDA_H
