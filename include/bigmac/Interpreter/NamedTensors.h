//===- NamedTensors.h - Arguments and results by name -----------*- C++ -*-===//
//
// A model's function names its arguments and results by the attribute `nn.name`; files hold tensors
// under these names.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_INTERPRETER_NAMEDTENSORS_H
#define BIGMAC_INTERPRETER_NAMEDTENSORS_H

#include "bigmac/Interpreter/Interpreter.h"
#include "bigmac/Support/Safetensors.h"

#include <optional>

namespace bigmac::interpreter {

/// The `nn.name` of an argument or result; without one "arg0" or "result0".
std::string argumentName(mlir::func::FuncOp function, unsigned index);
std::string resultName(mlir::func::FuncOp function, unsigned index);

/// The arguments of `function` from the file's tensors of their names, which must have their
/// shapes. With `firstSample` the file's tensors hold samples along their first dimension, and the
/// argument's number of them is taken from that one on. Floats are rounded to the argument's type;
/// integers must fit it. Errors name all missing tensors at once.
llvm::FailureOr<llvm::SmallVector<Tensor>>
loadArguments(mlir::func::FuncOp function, const SafetensorsFile &file,
              std::optional<int64_t> firstSample = std::nullopt);

/// Compares results with the file's tensors of their names and writes one line each to `os`.
/// Integers must be equal; floats differ by at most `tolerance` in relative L2 norm,
/// |result - golden| / |golden| (absolute where the golden is zero). Fails with a diagnostic where
/// one differs, has another shape, or a tensor of the file is the name of no result.
llvm::LogicalResult compareResults(mlir::func::FuncOp function, llvm::ArrayRef<Tensor> results,
                                   const SafetensorsFile &golden, double tolerance,
                                   llvm::raw_ostream &os);

} // namespace bigmac::interpreter

#endif // BIGMAC_INTERPRETER_NAMEDTENSORS_H
