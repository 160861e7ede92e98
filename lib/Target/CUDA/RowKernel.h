//===- RowKernel.h - A loop over rows to a GPU kernel -----------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_ROWKERNEL_H
#define BIGMAC_TARGET_CUDA_ROWKERNEL_H

#include "KernelShape.h"
#include "RowProgram.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace bigmac::cuda {

/// A kernel's arguments are, in order: a buffer for each input of the program, one for each stored
/// result, and one of partial sums [partialRows, columns] (or [partialRows]) for each accumulator.
struct RowKernel {
  mlir::gpu::GPUFuncOp function;
  KernelShape shape;
  /// Rows of every buffer of partial sums.
  int64_t partialRows = 0;
  /// Inputs of the program whose rows are loaded a round before they are computed.
  llvm::DenseSet<mlir::Value> loadedAhead;
};

KernelNeeds needsOf(const RowProgram &program);

/// Emits the kernel `name` at the end of `module`.
RowKernel emitRowKernel(const RowProgram &program, llvm::ArrayRef<mlir::MemRefType> stored,
                        mlir::gpu::GPUModuleOp module, llvm::StringRef name);

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_ROWKERNEL_H
