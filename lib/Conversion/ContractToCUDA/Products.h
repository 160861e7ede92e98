//===- Products.h - Products on buffers as cuda.matmul ----------*- C++ -*-===//

#ifndef BIGMAC_CONVERSION_CONTRACTTOCUDA_PRODUCTS_H
#define BIGMAC_CONVERSION_CONTRACTTOCUDA_PRODUCTS_H

#include "dialects/CUDA/IR/CUDA.h"
#include "lib/Conversion/ContractToGemm/GemmShape.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace bigmac {

/// The buffers of a contraction, and what becomes of its result.
struct ProductOperands {
  mlir::Value lhs, rhs, out;
  mlir::Value bias = {};
  /// Of the activation. It has the strides of `out`.
  mlir::Value aux = {};
  /// Of one of the operands.
  mlir::Value sums = {};
  bool accumulates = false;
  std::optional<cuda::Activation> activation = std::nullopt;
  std::optional<cuda::Operand> summed = std::nullopt;
};

/// Whether it is few calls. Each costs a launch; many would be better off in one kernel.
bool isWorthCalls(const GemmShape &shape);

/// A cuda.matmul for each of the shape's loops' indices.
void createProducts(mlir::OpBuilder &b, mlir::Location loc, ProductOperands operands,
                    const GemmShape &shape);

/// Makes cuda.matmul of every cuda.matmul_gelu, cuda.matmul_gelu_backward and cuda.matmul_sums.
void lowerFusedProducts(mlir::ModuleOp module);

} // namespace bigmac

#endif // BIGMAC_CONVERSION_CONTRACTTOCUDA_PRODUCTS_H
