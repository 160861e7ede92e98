//===- RowOrder.h - Which rows of a kernel are neighbours -------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDA_ROWORDER_H
#define BIGMAC_TARGET_CUDA_ROWORDER_H

#include "KernelShape.h"
#include "RowProgram.h"

namespace bigmac::cuda {

/// The loops of a nest, the one first whose counter changes from a row to the next, as a kernel
/// numbers them. That is the innermost one, then outwards; but where a block loads half as much or
/// less with another loop first, as all heads share a rotary embedding's tables, that one comes
/// first: what rows of a block share comes out of the multiprocessor's cache.
llvm::SmallVector<mlir::scf::ForOp> rowOrder(const RowProgram &program, const KernelShape &shape);

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_ROWORDER_H
