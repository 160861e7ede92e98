//===- FoldConstants.h - Ops on constants become constants ------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_NN_TRANSFORMS_FOLDCONSTANTS_H
#define BIGMAC_DIALECTS_NN_TRANSFORMS_FOLDCONSTANTS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Operation.h"

namespace bigmac::nn {

/// Results of more bytes than this are left to the run, splats excepted.
inline constexpr int64_t kMaxFoldedBytes = int64_t(16) << 20;

/// The constant that `value` is: of an `arith.constant`, or of an `nn.broadcast` of one. Null where
/// it is none, or where the broadcast has more than `maxBytes`.
mlir::Attribute constantValueOf(mlir::Value value, int64_t maxBytes = kMaxFoldedBytes);

/// The values of `op`'s results where all its operands are constants: by the op's own folder, else
/// by the reference interpreter. Constants are built at the builder's insertion point. `results` is
/// empty where the op does not fold: a broadcast does not, unless it is a splat, as the smaller
/// constant is the better one, but ops on broadcasts of constants do. Fails with a diagnostic where
/// the op has no value, such as a lookup of a constant index outside of its table.
mlir::LogicalResult foldToConstants(mlir::Operation *op, mlir::OpBuilder &builder,
                                    llvm::SmallVectorImpl<mlir::Value> &results,
                                    int64_t maxBytes = kMaxFoldedBytes);

} // namespace bigmac::nn

#endif // BIGMAC_DIALECTS_NN_TRANSFORMS_FOLDCONSTANTS_H
