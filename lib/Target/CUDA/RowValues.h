//===- RowValues.h - What kernels of rows load and compute ------*- C++ -*-===//
//
// The values of one row, each loaded or computed where it is first asked for: of wide ones the
// thread's piece at hand, of single ones all.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TARGET_CUDA_ROWVALUES_H
#define BIGMAC_TARGET_CUDA_ROWVALUES_H

#include "KernelBuilder.h"
#include "RowProgram.h"

namespace bigmac::cuda {

inline int64_t bytesOf(mlir::Type type) {
  return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
}

/// Whether a value of the body has an element for each column.
inline bool isWide(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType()).getRank() == 1;
}

/// A thread's piece of the row at hand: so many consecutive elements of each wide value.
struct Piece {
  mlir::Value column;
  /// Whether the piece is inside the row; null where it always is.
  mlir::Value inside;
  llvm::DenseMap<mlir::Value, mlir::Value> values;
};

class RowValues {
public:
  /// `vectorSize`: elements of a piece. `builder` maps the nest's counters to the row at hand.
  RowValues(const RowProgram &program, int64_t vectorSize, KernelBuilder &builder)
      : program(program), vectorSize(vectorSize), b(builder) {}

  /// Where an input of the program is in memory.
  void setBuffer(mlir::Value input, mlir::Value buffer) { buffers[input] = buffer; }
  /// Forgets the row before.
  void startRow() { scalars.clear(); }
  void setScalar(mlir::Value tensor, mlir::Value value) { scalars[tensor] = value; }

  mlir::Value wide(mlir::Value tensor, Piece &piece);
  mlir::Value scalar(mlir::Value tensor);
  /// Values for the arguments of a body, for a piece or, where it is null, for a single value. Old
  /// values of results that nothing reads are left out.
  llvm::SmallVector<mlir::Value> bodyOperands(mlir::linalg::GenericOp op, Piece *piece);

  /// An input, or a slice of one, from memory: a piece of it, or a single value.
  mlir::Value load(mlir::Value tensor, Piece *piece);
  void storeVector(mlir::Value value, mlir::Value buffer, mlir::ValueRange position);
  /// Buffer indices of a slice at its first element.
  llvm::SmallVector<mlir::Value> offsetsOf(llvm::ArrayRef<mlir::OpFoldResult> offsets);

private:
  mlir::Value indexValue(mlir::Value value);
  /// Elements next to one another in memory are one access, others are gathered.
  mlir::Value loadVector(mlir::VectorType type, mlir::Value buffer,
                         llvm::SmallVector<mlir::Value> position, unsigned columnDim,
                         bool startsAligned);
  /// Whether every row of a buffer begins a whole number of vectors behind its allocation.
  bool startsAligned(mlir::MemRefType buffer);
  /// The number that all elements of `tensor` are, if that is known; any where there are none yet.
  mlir::Value fillOf(mlir::Value tensor);
  /// The op of the body that computes `tensor`; an input is read instead.
  mlir::linalg::GenericOp makerOf(mlir::Value tensor);
  /// The old value of a reduction is combined by who emits it, not by its body.
  bool isReductionInit(mlir::linalg::GenericOp op, mlir::BlockArgument argument);
  mlir::Value anyOf(mlir::Type type, Piece *piece);

  const RowProgram &program;
  const int64_t vectorSize;
  KernelBuilder &b;
  llvm::DenseMap<mlir::Value, mlir::Value> buffers, scalars;
};

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_ROWVALUES_H
