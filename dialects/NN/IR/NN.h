//===- NN.h - The nn dialect ------------------------------------*- C++ -*-===//
//
// Ops of the import and training levels. See NNOps.td and docs/Dialects/NN.md.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_DIALECTS_NN_IR_NN_H
#define BIGMAC_DIALECTS_NN_IR_NN_H

#include "bigmac/Interfaces/VJPInterface.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/NN/IR/NNDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/NN/IR/NNAttrs.h.inc"

namespace bigmac::nn {
/// A parameter of the model, alone or in a packed one.
struct ParameterPart {
  llvm::StringRef name;
  mlir::RankedTensorType type;
  mlir::Attribute init;
};
} // namespace bigmac::nn

#define GET_OP_CLASSES
#include "dialects/NN/IR/NNOps.h.inc"

namespace bigmac::nn {

/// The type that values of a float type are computed in: f32 for narrower ones.
mlir::Type computeType(mlir::Type element);

/// Name of the argument and result attribute that carries a graph input's or output's name.
inline constexpr llvm::StringLiteral kNameAttr = "nn.name";

/// Name of the unit attribute of the one result that is the loss.
inline constexpr llvm::StringLiteral kLossAttr = "nn.loss";

/// `value` with another shape of as many elements: upstream collapse_shape and expand_shape.
mlir::Value createReshape(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                          llvm::ArrayRef<int64_t> shape);

/// `value` broadcast to `shape` by NumPy's rule; `value` itself where the shapes are equal.
mlir::Value createBroadcast(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                            llvm::ArrayRef<int64_t> shape);

/// Sums `value` to `shape`, the inverse of createBroadcast's repetition.
mlir::Value createSumTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                        llvm::ArrayRef<int64_t> shape);

/// A splat constant of `like`'s type.
mlir::Value createSplat(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type like,
                        double value);

} // namespace bigmac::nn

#endif // BIGMAC_DIALECTS_NN_IR_NN_H
