//===- ElementKernel.h - A structured op to a GPU kernel --------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_ELEMENTKERNEL_H
#define BIGMAC_TARGET_CUDA_ELEMENTKERNEL_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace bigmac::cuda {

/// A kernel that computes one element of its results a thread.
struct ElementKernel {
  mlir::gpu::GPUFuncOp function;
  /// Buffers to launch it with.
  llvm::SmallVector<mlir::Value> arguments;
  int64_t threads = 0, blocks = 0;
};

/// Emits the kernel `name` for `op`, which is on buffers. Null, with `reason` set, where it uses
/// what only the host has.
ElementKernel emitElementKernel(mlir::linalg::GenericOp op, mlir::gpu::GPUModuleOp module,
                                llvm::StringRef name, std::string &reason);

/// Emits the kernel `name`, which copies the constant `global` of `module` to its one argument.
ElementKernel emitConstantKernel(llvm::StringRef global, mlir::MemRefType type,
                                 mlir::gpu::GPUModuleOp module, llvm::StringRef name,
                                 mlir::Location loc);

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_ELEMENTKERNEL_H
