//===- NodeContext.h - What an op's importer works with ---------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_NODECONTEXT_H
#define BIGMAC_LIB_IMPORT_ONNX_NODECONTEXT_H

#include "Model.h"

#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"

namespace bigmac::onnx {

using Shape = llvm::SmallVector<int64_t, 6>;

/// A tensor of more elements than this is taken for a mistake.
inline constexpr int64_t kMaxElements = int64_t(1) << 40;

/// A constant that the importer writes out may have at most this many elements.
inline constexpr int64_t kMaxConstantElements = int64_t(1) << 28;

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return typeOf(value).getShape(); }
inline bool isFloat(mlir::Value value) {
  return llvm::isa<mlir::FloatType>(typeOf(value).getElementType());
}
inline bool isBool(mlir::Value value) { return typeOf(value).getElementType().isInteger(1); }

/// The MLIR type of elements of an ONNX type (unsigned ones are signless); null where the importer
/// does not take it.
mlir::Type elementTypeOf(mlir::MLIRContext *context, DataType type);
inline bool isUnsigned(DataType type) {
  return type == DataType::UInt8 || type == DataType::UInt16 || type == DataType::UInt32 ||
         type == DataType::UInt64;
}

/// Whether a tensor may have this shape: no negative dimension, not too many elements.
bool isSaneShape(llvm::ArrayRef<int64_t> shape);

/// A value of a model: a tensor, or a sequence of tensors whose length is known.
struct ImportedValue {
  mlir::Value tensor;
  llvm::SmallVector<mlir::Value> sequence;
  bool isSequence = false;
  bool isUnsigned = false;
};

/// One node while it is imported: its operands as SSA values, its attributes, its results, and
/// the ops it is made of.
class NodeContext {
public:
  NodeContext(mlir::OpBuilder &builder, mlir::Location loc, const Node &node,
              llvm::SmallVector<ImportedValue> inputs);

  mlir::OpBuilder &b;
  mlir::Location loc;
  const Node &node;
  /// By position; a null tensor is an output that the importer of the op did not compute.
  llvm::SmallVector<ImportedValue> results;

  /// Starts an error that names the node. Only the first one is reported.
  mlir::InFlightDiagnostic error() const;

  //===--- Operands -------------------------------------------------------===//

  unsigned numInputs() const { return inputs.size(); }
  bool has(unsigned i) const {
    return i < inputs.size() && (inputs[i].tensor || inputs[i].isSequence);
  }
  mlir::Value in(unsigned i) const { return inputs[i].tensor; }
  mlir::Value optional(unsigned i) const { return has(i) ? in(i) : mlir::Value(); }
  const ImportedValue &input(unsigned i) const { return inputs[i]; }
  bool isUnsignedInput(unsigned i) const { return inputs[i].isUnsigned; }
  bool wantsOutput(unsigned i) const { return i < node.outputs.size() && !node.outputs[i].empty(); }

  /// The elements of an operand that is constant.
  mlir::DenseElementsAttr constant(unsigned i) const;
  /// The integers of operand `i`, called `what` in the error where it is not constant.
  mlir::FailureOr<llvm::SmallVector<int64_t>> ints(unsigned i, llvm::StringRef what) const;
  /// The one integer of operand `i`.
  mlir::FailureOr<int64_t> integer(unsigned i, llvm::StringRef what) const;

  //===--- Attributes -----------------------------------------------------===//

  // One of another kind than asked for is an error, and the node fails once it is imported.
  int64_t attrInt(llvm::StringRef name, int64_t otherwise) const;
  double attrFloat(llvm::StringRef name, double otherwise) const;
  std::string attrString(llvm::StringRef name, llvm::StringRef otherwise) const;
  std::optional<llvm::SmallVector<int64_t>> attrInts(llvm::StringRef name) const;
  const NodeAttribute *attribute(llvm::StringRef name) const;
  bool hasBadAttribute() const { return badAttribute; }

  /// A dimension number, from the end where negative, of a tensor of `rank`.
  mlir::FailureOr<int64_t> axis(int64_t value, int64_t rank) const;
  /// Sorted and without repetition.
  mlir::FailureOr<llvm::SmallVector<int64_t>> axes(llvm::ArrayRef<int64_t> values,
                                                   int64_t rank) const;

  //===--- Results --------------------------------------------------------===//

  mlir::LogicalResult setResult(mlir::Value value, unsigned i = 0);

  //===--- Ops ------------------------------------------------------------===//

  /// An op of the nn dialect with inferred types. Fails with a diagnostic where they cannot be.
  template <typename OpT>
  mlir::FailureOr<OpT>
  create(mlir::ValueRange operands,
         llvm::function_ref<void(typename OpT::Properties &)> fill = {}) const {
    mlir::OperationState state(loc, OpT::getOperationName());
    auto &properties = state.getOrAddProperties<typename OpT::Properties>();
    if (fill)
      fill(properties);
    llvm::SmallVector<mlir::Type> types;
    if (mlir::failed(OpT::inferReturnTypes(b.getContext(), std::nullopt, operands,
                                           b.getDictionaryAttr({}), &properties, {}, types))) {
      auto diagnostic = error() << "has operands that do not fit:";
      for (mlir::Value operand : operands)
        diagnostic << " " << operand.getType();
      return mlir::failure();
    }
    state.addOperands(operands);
    state.addTypes(types);
    return llvm::cast<OpT>(b.create(state));
  }

  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape) const;
  mlir::Value broadcast(mlir::Value value, llvm::ArrayRef<int64_t> shape) const;
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation) const;
  /// Exchanges two dimensions; `value` itself where they are the same.
  mlir::Value swapDims(mlir::Value value, int64_t a, int64_t b) const;
  mlir::Value slice(mlir::Value value, llvm::ArrayRef<int64_t> offsets,
                    llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> strides) const;
  /// `count` entries from `offset` of dimension `dim`.
  mlir::Value sliceDim(mlir::Value value, int64_t dim, int64_t offset, int64_t count) const;
  mlir::Value concat(llvm::ArrayRef<mlir::Value> values, int64_t dim) const;
  /// result[i..., :] = table[ids[i...], :]
  mlir::Value lookup(mlir::Value table, mlir::Value ids) const;
  mlir::Value lookup(mlir::Value table, llvm::ArrayRef<int64_t> ids) const;
  mlir::Value reduceSum(mlir::Value value, llvm::ArrayRef<int64_t> dims) const;
  mlir::Value reduceMax(mlir::Value value, llvm::ArrayRef<int64_t> dims) const;

  mlir::Value constantOf(mlir::DenseElementsAttr elements) const;
  mlir::Value constantInts(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> values) const;
  mlir::Value constantBools(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<bool> values) const;
  /// `value` in every element of a tensor like `like`; integers are cut to their width.
  mlir::Value splat(mlir::Value like, double value) const;
  mlir::Value splatInt(mlir::RankedTensorType type, int64_t value) const;

  /// The common shape of operands under NumPy's rules; fails with a diagnostic.
  mlir::FailureOr<Shape> commonShape(llvm::ArrayRef<mlir::Value> values) const;
  /// Broadcasts all to their common shape.
  mlir::LogicalResult unify(llvm::MutableArrayRef<mlir::Value> values) const;

  /// Elements of another type, by ONNX's rules for Cast.
  mlir::Value cast(mlir::Value value, mlir::Type to, bool fromUnsigned, bool toUnsigned) const;

  // Elementwise on equal types, for floats and where it makes sense for integers.
  mlir::Value add(mlir::Value a, mlir::Value b) const;
  mlir::Value sub(mlir::Value a, mlir::Value b) const;
  mlir::Value mul(mlir::Value a, mlir::Value b) const;
  mlir::Value div(mlir::Value a, mlir::Value b) const;
  mlir::Value neg(mlir::Value a) const;
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b) const;
  enum class Compare { Equal, Less, LessOrEqual, Greater, GreaterOrEqual };
  mlir::Value compare(Compare how, mlir::Value a, mlir::Value b, bool isUnsigned = false) const;
  mlir::Value sigmoid(mlir::Value x) const;

private:
  const NodeAttribute *typed(llvm::StringRef name, NodeAttribute::Kind kind,
                             llvm::StringRef kindName) const;

  llvm::SmallVector<ImportedValue> inputs;
  mutable bool badAttribute = false;
  mutable bool hasError = false;
};

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_NODECONTEXT_H
