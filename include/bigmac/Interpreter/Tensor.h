//===- Tensor.h - Values of the reference interpreter -----------*- C++ -*-===//

#ifndef BIGMAC_INTERPRETER_TENSOR_H
#define BIGMAC_INTERPRETER_TENSOR_H

#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <vector>

namespace bigmac::interpreter {

/// A tensor, or with an empty shape also a scalar: row-major elements and their type.
///
/// Elements of floating-point type are held as double, all others (integers of up to 64 bits and
/// index) as int64_t, sign-extended, but for i1, which is 0 or 1. A splat holds one element.
/// Copies share their elements until one of them is written.
class Tensor {
public:
  /// No tensor at all: `elementType()` is null.
  Tensor() = default;

  /// All elements zero (as a splat).
  Tensor(llvm::ArrayRef<int64_t> shape, mlir::Type elementType);

  static Tensor splat(llvm::ArrayRef<int64_t> shape, mlir::Type elementType, double value);
  static Tensor splatInt(llvm::ArrayRef<int64_t> shape, mlir::Type elementType, int64_t value);
  static Tensor fromFloats(llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                           std::vector<double> values);
  static Tensor fromInts(llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                         std::vector<int64_t> values);

  /// The value of a constant: integer or float attribute, dense elements (also resources) of a
  /// supported element type. Fails without a diagnostic for any other attribute.
  static llvm::FailureOr<Tensor> fromAttribute(mlir::Attribute attribute);

  /// Little-endian row-major bytes as files hold them; i1 is one byte an element. Fails where the
  /// number of bytes does not fit.
  static llvm::FailureOr<Tensor> fromBytes(llvm::ArrayRef<int64_t> shape, mlir::Type elementType,
                                           llvm::ArrayRef<char> bytes);

  /// The constant of `type` (a ranked tensor of this shape, or a scalar type) with this value;
  /// floats are rounded to the element type. Splats give splat attributes.
  mlir::Attribute toAttribute(mlir::Type type) const;

  llvm::ArrayRef<int64_t> shape() const { return dims; }
  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  int64_t dim(int64_t i) const { return dims[i]; }
  mlir::Type elementType() const { return type; }
  int64_t size() const { return count; }
  bool isFloat() const { return static_cast<bool>(floatData); }
  /// Whether one element is held for all. A tensor that happens to be uniform need not be one.
  bool isSplat() const { return splatFlag; }

  /// Element `i` in row-major order.
  double at(int64_t i) const { return (*floatData)[splatFlag ? 0 : i]; }
  int64_t intAt(int64_t i) const { return (*intData)[splatFlag ? 0 : i]; }
  /// An i1 or integer element as a condition.
  bool boolAt(int64_t i) const { return intAt(i) != 0; }

  /// This tensor with its elements written out, not a splat.
  Tensor expanded() const;

  /// All elements, for reading; of a tensor that is no splat.
  llvm::ArrayRef<double> floats() const;
  llvm::ArrayRef<int64_t> ints() const;

  /// All elements, for writing: shared elements are copied, a splat is written out.
  llvm::MutableArrayRef<double> mutableFloats();
  llvm::MutableArrayRef<int64_t> mutableInts();

  /// The same elements in the same order in another shape of as many elements.
  Tensor reshaped(llvm::ArrayRef<int64_t> shape) const;
  /// The same elements under another type of the same kind (float or not), not rounded.
  Tensor retyped(mlir::Type elementType) const;

  /// Adds the rows of a tensor of the same type and of the same dimensions but for the first.
  void appendRows(const Tensor &rows);

  /// Rounds every element to the nearest value of the element type (integers wrap).
  void roundToType();

  /// `tensor<2x2xf32> = [[1, 2], [3, 4.5]]`: shortest decimals that name the element, or `digits`
  /// significant ones.
  void print(llvm::raw_ostream &os, int digits = 0) const;

private:
  void writeOut();
  void makeUnique();

  llvm::SmallVector<int64_t, 4> dims;
  mlir::Type type;
  int64_t count = 0;
  bool splatFlag = false;
  std::shared_ptr<std::vector<double>> floatData;
  std::shared_ptr<std::vector<int64_t>> intData;
};

/// Whether the interpreter can hold elements of `type`: floats, integers of up to 64 bits, index.
bool isSupportedElementType(mlir::Type type);

/// `value` rounded to the nearest value of float type `type` (ties to even).
double roundToFloatType(double value, mlir::Type type);

/// Number of bits of an integer type; 64 for index.
unsigned integerWidth(mlir::Type type);

/// `value` as the canonical element of an integer type: cut to its width and sign-extended (i1: 0
/// or 1).
int64_t wrapToIntegerType(int64_t value, mlir::Type type);

/// Row-major strides, in elements, of a shape.
llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape);

} // namespace bigmac::interpreter

#endif // BIGMAC_INTERPRETER_TENSOR_H
