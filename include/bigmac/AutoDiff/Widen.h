//===- Widen.h - Between narrow floats and what they are computed in -*- C++ -*-===//

#ifndef BIGMAC_AUTODIFF_WIDEN_H
#define BIGMAC_AUTODIFF_WIDEN_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

namespace bigmac {

/// `value` in the type that it is computed in: f32 where it is narrower.
mlir::Value widen(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value);

/// `value` rounded to `type`, of the same shape and no wider.
mlir::Value roundTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                    mlir::Type type);

/// As widen(), without the last rounding where that is known: a product, a sum or a lookup's
/// gradient gives its f32 result, a rounded value what it was rounded from. Builds new ops; those
/// that gave the rounded value stay for other users. What others use too is not computed twice.
mlir::Value widenUnrounded(mlir::OpBuilder &builder, mlir::Value value);

} // namespace bigmac

#endif // BIGMAC_AUTODIFF_WIDEN_H
