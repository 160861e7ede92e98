//===- Emitter.h - Short forms for building linalg --------------*- C++ -*-===//

#ifndef BIGMAC_CONVERSION_NNTOLINALG_EMITTER_H
#define BIGMAC_CONVERSION_NNTOLINALG_EMITTER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

namespace bigmac::lowering {

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// An operand of a structured op: a tensor and the dimensions of the iteration space, in order,
/// that index it.
struct Access {
  mlir::Value tensor;
  llvm::SmallVector<int64_t> dims;
};

/// Scalar arithmetic and structured ops at one place. Floating-point ops may be contracted to
/// fused multiply-adds; only sums (`accumulate`) may be reassociated, so that infinities and NaN
/// behave as written.
class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;

  // Scalars.
  mlir::Value constant(mlir::Type type, double value);
  mlir::Value index(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value add(mlir::Value a, double b) { return add(a, constant(a.getType(), b)); }
  mlir::Value mul(mlir::Value a, double b) { return mul(a, constant(a.getType(), b)); }
  mlir::Value rsub(double a, mlir::Value b) { return sub(constant(b.getType(), a), b); }
  mlir::Value neg(mlir::Value a);
  mlir::Value exp(mlir::Value a);
  mlir::Value log(mlir::Value a);
  mlir::Value tanh(mlir::Value a);
  mlir::Value erfc(mlir::Value a);
  mlir::Value rsqrt(mlir::Value a);
  /// `a + b` (floats: order is free) or, for integers, `a + b`.
  mlir::Value accumulate(mlir::Value a, mlir::Value b);
  /// The larger; NaN where either is NaN.
  mlir::Value maximum(mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);
  /// A float narrower than f32 in f32; anything else as it is.
  mlir::Value widen(mlir::Value a);
  /// `a` rounded to `type`, where that is narrower; what was only widened is itself again.
  mlir::Value roundTo(mlir::Type type, mlir::Value a);
  /// An integer of any width as index (sign extended).
  mlir::Value toIndex(mlir::Value a);

  // Tensors.
  mlir::Value empty(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  mlir::Value filled(llvm::ArrayRef<int64_t> shape, mlir::Value scalar);
  mlir::Value filled(llvm::ArrayRef<int64_t> shape, mlir::Type element, double value) {
    return filled(shape, constant(element, value));
  }

  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(Emitter &, mlir::ValueRange)>;

  /// A generic over `sizes.size()` dimensions. Dimensions absent from every output are reductions.
  /// `outputs` carry initial values, seen by the body after the inputs.
  llvm::SmallVector<mlir::Value> generic(unsigned rank, llvm::ArrayRef<Access> inputs,
                                         llvm::ArrayRef<Access> outputs, Body body);

  // The bodies of these see floats narrower than f32 in f32, and reductions are in f32: a result of
  // a narrower `element` is rounded once.

  /// result[d...] = body(inputs) over `shape`.
  mlir::Value map(llvm::ArrayRef<int64_t> shape, mlir::Type element, llvm::ArrayRef<Access> inputs,
                  llvm::function_ref<mlir::Value(Emitter &, mlir::ValueRange)> body);

  /// Sums `body(inputs)` over the dimensions of `shape` that are not in `kept`.
  mlir::Value sum(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> kept, mlir::Type element,
                  llvm::ArrayRef<Access> inputs,
                  llvm::function_ref<mlir::Value(Emitter &, mlir::ValueRange)> body);

  /// Largest of `body(inputs)` over the dimensions of `shape` that are not in `kept`; -inf or the
  /// least integer for none.
  mlir::Value max(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> kept, mlir::Type element,
                  llvm::ArrayRef<Access> inputs,
                  llvm::function_ref<mlir::Value(Emitter &, mlir::ValueRange)> body);

  /// A tensor of floats narrower than f32 in f32; anything else as it is. And back.
  mlir::Value widenTensor(mlir::Value tensor);
  mlir::Value roundTensor(mlir::Value tensor, mlir::Type element);

  /// linalg.contract of `lhs` and `rhs` added to `init`, over `rank` dimensions. Sums of types
  /// narrower than f32 are in f32 all the same, and rounded once.
  mlir::Value contract(unsigned rank, Access lhs, Access rhs, Access init);

  /// Loops `for i in [0, trips)`, carrying `inits`. No loop for a single trip.
  llvm::SmallVector<mlir::Value>
  loop(int64_t trips, mlir::ValueRange inits,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(Emitter &, mlir::Value, mlir::ValueRange)>
           body);

  /// `index`, wrapped once where negative if `wrap`, and proved to be in [0, size): otherwise the
  /// run ends with bm_index_error.
  mlir::Value checkedIndex(mlir::Value index, int64_t size, bool wrap);

  /// The rank-reduced part of `tensor` at `offsets` with `sizes` (1 and dropped for all dimensions
  /// whose `kept` is false).
  mlir::Value slice(mlir::Value tensor, llvm::ArrayRef<mlir::OpFoldResult> offsets,
                    llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> keptDims);
  mlir::Value insert(mlir::Value part, mlir::Value into, llvm::ArrayRef<mlir::OpFoldResult> offsets,
                     llvm::ArrayRef<int64_t> sizes);
};

/// Name of the runtime function that reports an index out of range and ends the run.
inline constexpr llvm::StringLiteral kIndexErrorName = "bm_index_error";

} // namespace bigmac::lowering

#endif // BIGMAC_CONVERSION_NNTOLINALG_EMITTER_H
