//===- Matching.h - What the raising passes look for ------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_NN_TRANSFORMS_MATCHING_H
#define BIGMAC_DIALECTS_NN_TRANSFORMS_MATCHING_H

#include "dialects/NN/IR/NN.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

#include <optional>

namespace bigmac::nn {

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// The one number that every element of `value` is; none where it is no floating-point constant
/// or not uniform.
std::optional<double> uniformValue(mlir::Value value);

/// Whether every element of `value` is `expected`, up to the rounding of the element type.
bool isUniform(mlir::Value value, double expected);

/// Whether two numbers are the same once rounded to the elements of `like`, give or take one unit
/// in the last place: constants of a formula that were rounded by another program.
bool isAbout(mlir::Value like, double value, double expected);

/// The other operand of a commutative binary op with a uniform operand, and that operand's value.
struct WithConstant {
  mlir::Value value;
  double constant;
};
template <typename OpT> std::optional<WithConstant> matchWithConstant(mlir::Value value) {
  auto op = value.getDefiningOp<OpT>();
  if (!op)
    return std::nullopt;
  if (std::optional<double> constant = uniformValue(op.getRhs()))
    return WithConstant{op.getLhs(), *constant};
  if (std::optional<double> constant = uniformValue(op.getLhs()))
    return WithConstant{op.getRhs(), *constant};
  return std::nullopt;
}

/// The factors of a product: the leaves of a tree of `arith.mulf`, uniform ones multiplied into
/// `constant`.
struct Factors {
  double constant = 1.0;
  llvm::SmallVector<mlir::Value, 4> values;
};
Factors factorsOf(mlir::Value product);

/// A value that is spread over a larger tensor: what is left of it after broadcasts and reshapes
/// that add or remove dimensions of size 1 are taken off, and where its dimensions lie in the
/// larger tensor.
struct Spread {
  mlir::Value value;
  /// For each dimension of `value`, the dimension of the larger tensor; -1 for one of size 1.
  llvm::SmallVector<int64_t> dims;

  /// `value` as the larger tensor itself.
  static Spread of(mlir::Value value);

  /// Takes off broadcasts and reshapes.
  void peel();

  /// The same place in the larger tensor for `operand`, an operand of the elementwise op that
  /// defines `value`; peeled.
  Spread through(mlir::Value operand) const;

  /// Whether `value` has one element a column: only the last dimension of the larger tensor of
  /// `rank`, of size `size`.
  bool isPerColumn(int64_t rank, int64_t size) const;
};

/// The mean over the last dimension of a tensor of rank `rank` that `spread` is: the tensor, or
/// null.
mlir::Value matchRowMean(const Spread &spread, int64_t rank);

} // namespace bigmac::nn

#endif // BIGMAC_DIALECTS_NN_TRANSFORMS_MATCHING_H
