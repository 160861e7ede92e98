//===- ExpandMath.h - Math functions as arithmetic --------------*- C++ -*-===//

#ifndef BIGMAC_CONVERSION_EXPANDMATH_H
#define BIGMAC_CONVERSION_EXPANDMATH_H

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace bigmac {

/// The error function of an f32 scalar or vector, as expand-float-math writes it: arithmetic and
/// comparisons alone. Its one quotient has the flags `quotient`.
mlir::Value expandErf(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x,
                      mlir::arith::FastMathFlags quotient = mlir::arith::FastMathFlags::none);

} // namespace bigmac

#endif // BIGMAC_CONVERSION_EXPANDMATH_H
