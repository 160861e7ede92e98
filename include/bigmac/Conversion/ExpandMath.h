//===- ExpandMath.h - Math functions as arithmetic --------------*- C++ -*-===//

#ifndef BIGMAC_CONVERSION_EXPANDMATH_H
#define BIGMAC_CONVERSION_EXPANDMATH_H

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace bigmac {

/// The complementary error function of an f32 scalar or vector, off by at most 1e-6 (of 1, not of a
/// small result): Hastings' approximation (Abramowitz and Stegun, 7.1.26), 1.5e-7 as published, and
/// what f32, the math.exp and the quotient in it round, both of which have the flags `parts`. Half
/// of expandErf's arithmetic, and no exponential where exp(-x^2) is there already, as in the
/// derivative of gelu.
mlir::Value approximateErfc(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x,
                            mlir::arith::FastMathFlags parts);

/// The error function of an f32 scalar or vector, as expand-float-math writes it: arithmetic and
/// comparisons alone. Its one quotient has the flags `quotient`.
mlir::Value expandErf(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x,
                      mlir::arith::FastMathFlags quotient = mlir::arith::FastMathFlags::none);

} // namespace bigmac

#endif // BIGMAC_CONVERSION_EXPANDMATH_H
