//===- ColumnKernel.h - Sums over rows --------------------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_COLUMNKERNEL_H
#define BIGMAC_TARGET_CUDA_COLUMNKERNEL_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace bigmac::cuda {

/// One of the sums of a kernel.
struct ColumnSum {
  /// [rows, columns], or [rows] of a sum that is one number; with sections their rows one after
  /// another.
  mlir::MemRefType partials;
  mlir::arith::AtomicRMWKind kind;
  /// What the sum is combined with, of `sum` type; null where it starts from nothing.
  mlir::MemRefType init;
  /// [columns], [] of one number, or [sections, columns].
  mlir::MemRefType sum;
  /// An elementwise op on the sum, its operand `sumOperand`, and on other buffers; null: the sum is
  /// the result.
  mlir::linalg::GenericOp epilogue;
  unsigned sumOperand = 0;
  llvm::SmallVector<mlir::MemRefType> others;
  mlir::MemRefType result;
};

struct ColumnKernel {
  mlir::gpu::GPUFuncOp function;
  int64_t threads = 0, blocks = 0;
};

/// Emits the kernel `name`. Its arguments are, for each sum: the partials, the init if there is
/// one, the epilogue's other operands in order, and the result, which may be one of those before
/// it. Rows are combined in a fixed order, so that equal inputs give equal bits.
ColumnKernel emitColumnKernel(llvm::ArrayRef<ColumnSum> sums, mlir::gpu::GPUModuleOp module,
                              llvm::StringRef name, mlir::Location loc);

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_COLUMNKERNEL_H
