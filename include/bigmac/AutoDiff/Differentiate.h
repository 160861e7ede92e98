//===- Differentiate.h - Reverse-mode differentiation -----------*- C++ -*-===//

#ifndef BIGMAC_AUTODIFF_DIFFERENTIATE_H
#define BIGMAC_AUTODIFF_DIFFERENTIATE_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

namespace bigmac {

/// A floating-point value of the forward and its cotangent, of the same type.
struct Seed {
  mlir::Value value;
  mlir::Value cotangent;
};

/// Builds, at `builder`'s insertion point in `block` and after every op that `seeds` depend on,
/// the cotangents of `wanted` (block arguments or op results of `block`) given those of the seeds.
///
/// Only ops on a path from a wanted value to a seed are differentiated, so what is frozen costs
/// nothing. A value that several ops use gets the sum of their contributions, in program order
/// from the last use to the first. Returns one value for each wanted one, null where it does not
/// influence the seeds. Fails, with an error at the op, where an op on such a path has no rule.
mlir::FailureOr<llvm::SmallVector<mlir::Value>> differentiate(mlir::OpBuilder &builder,
                                                              mlir::Block &block,
                                                              llvm::ArrayRef<Seed> seeds,
                                                              llvm::ArrayRef<mlir::Value> wanted);

} // namespace bigmac

#endif // BIGMAC_AUTODIFF_DIFFERENTIATE_H
