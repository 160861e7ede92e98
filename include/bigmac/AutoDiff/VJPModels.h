//===- VJPModels.h - Derivative rules of upstream ops -----------*- C++ -*-===//

#ifndef BIGMAC_AUTODIFF_VJPMODELS_H
#define BIGMAC_AUTODIFF_VJPMODELS_H

namespace mlir {
class DialectRegistry;
}

namespace bigmac {

/// Attaches VJPOpInterface to the `arith`, `math` and `tensor` ops of the training level.
void registerVJPModels(mlir::DialectRegistry &registry);
void registerArithVJPModels(mlir::DialectRegistry &registry);
void registerMathVJPModels(mlir::DialectRegistry &registry);
void registerTensorVJPModels(mlir::DialectRegistry &registry);

} // namespace bigmac

#endif // BIGMAC_AUTODIFF_VJPMODELS_H
