//===- ContractOnBuffers.h - What surrounds a contraction -------*- C++ -*-===//

#ifndef BIGMAC_CONVERSION_CONTRACTTOGEMM_CONTRACTONBUFFERS_H
#define BIGMAC_CONVERSION_CONTRACTTOGEMM_CONTRACTONBUFFERS_H

#include "GemmShape.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace bigmac {

/// Sizes and strides of every dimension, or nothing where one is not static.
std::optional<llvm::SmallVector<ContractDim>> dimsOf(mlir::linalg::ContractOp op);

/// The op that gives the whole result its initial value, if nothing touches it in between.
mlir::linalg::LinalgOp initializerOf(mlir::linalg::ContractOp op);

/// `initializer`, if that is a fill with zero.
mlir::linalg::FillOp asZeroFill(mlir::linalg::LinalgOp initializer);

} // namespace bigmac

#endif // BIGMAC_CONVERSION_CONTRACTTOGEMM_CONTRACTONBUFFERS_H
