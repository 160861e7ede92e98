//===- Interpreter.h - Reference semantics of tensor-level IR ---*- C++ -*-===//
//
// Runs functions of the import and training levels: nn ops, arith and math on tensors and scalars,
// and the tensor ops that an importer or a derivative rule builds. It is meant to be read: one rule
// an op, in the simplest loop that says what the op means. Constant folding and the gradient check
// use the same rules.
//
// Floats are computed in double precision and rounded to the element type after each op, so that
// an op's result is the correctly rounded one and sums do not depend on an order.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_INTERPRETER_INTERPRETER_H
#define BIGMAC_INTERPRETER_INTERPRETER_H

#include "bigmac/Interpreter/Tensor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

#include <string>

namespace bigmac::interpreter {

struct InterpreterOptions {
  /// Do not round floats to their element types: what finite differences need. The types in the
  /// IR stay what they are.
  bool float64 = false;

  /// Folder in which relative file names of `#nn.external` are looked up. Empty: the current one.
  std::string externalRoot;

  /// Values that take precedence over the initial values of parameters, by symbol name.
  llvm::StringMap<Tensor> parameters;

  /// Values with more elements than this are an error, not an exhausted machine.
  int64_t maxElements = int64_t(1) << 28;
};

/// Runs `function` on `args` (one tensor an argument, of the argument's shape and element type) and
/// gives its results in order. Anything wrong, an op without a rule included, is an error
/// diagnostic at the op concerned.
llvm::FailureOr<llvm::SmallVector<Tensor>> interpret(mlir::func::FuncOp function,
                                                     llvm::ArrayRef<Tensor> args,
                                                     const InterpreterOptions &options = {});

/// Whether the interpreter can hold a value of `type`: a tensor of static shape within the limit,
/// or a scalar, of a supported element type.
bool canHold(mlir::Type type, const InterpreterOptions &options = {});

/// An error at a function that begins with its name.
mlir::InFlightDiagnostic emitFunctionError(mlir::func::FuncOp function);

/// Whether `evaluateOp` can evaluate ops of this name.
bool hasRule(mlir::Operation *op);

/// The results of one op on constant operands, one attribute each: a `DenseElementsAttr` for a
/// tensor, an integer or float attribute for a scalar. For constant folding. Parameters and calls
/// have no rule here: their values are not in the op. Failure, also for an operand that is no
/// constant of its type, emits a diagnostic at the op.
llvm::FailureOr<llvm::SmallVector<mlir::Attribute>>
evaluateOp(mlir::Operation *op, llvm::ArrayRef<mlir::Attribute> operands,
           const InterpreterOptions &options = {});

/// The initial value of an `nn.parameter` (dense elements, or a range of a file). Failure emits a
/// diagnostic at `parameter`.
llvm::FailureOr<Tensor> readParameter(mlir::Operation *parameter,
                                      const InterpreterOptions &options = {});

} // namespace bigmac::interpreter

#endif // BIGMAC_INTERPRETER_INTERPRETER_H
