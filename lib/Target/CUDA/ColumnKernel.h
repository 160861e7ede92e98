//===- ColumnKernel.h - Sums over rows --------------------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_COLUMNKERNEL_H
#define BIGMAC_TARGET_CUDA_COLUMNKERNEL_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace bigmac::cuda {

struct ColumnKernel {
  mlir::gpu::GPUFuncOp function;
  int64_t threads = 0, blocks = 0;
};

/// Emits the kernel `name` (partials, init, result): result = init combined with all rows of
/// `partials`, [rows, columns...]; init and result have the type `result` and may be one buffer.
/// Rows are combined in a fixed order, so that equal inputs give equal bits.
ColumnKernel emitColumnKernel(mlir::MemRefType partials, mlir::MemRefType result,
                              mlir::arith::AtomicRMWKind kind, mlir::gpu::GPUModuleOp module,
                              llvm::StringRef name, mlir::Location loc);

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_COLUMNKERNEL_H
