//===- GradientCheck.h - Derivative rules against differences ---*- C++ -*-===//

#ifndef BIGMAC_INTERPRETER_GRADIENTCHECK_H
#define BIGMAC_INTERPRETER_GRADIENTCHECK_H

#include "bigmac/Interpreter/Interpreter.h"

#include <cstdint>
#include <string>

namespace bigmac::interpreter {

/// Values drawn for arguments and cotangents: the same sequence for a seed on every machine.
class RandomValues {
public:
  explicit RandomValues(uint64_t seed) : state(seed) {}

  /// Uniform from `low` to `high`; an element of type i1 or integer is uniform in [0, `integers`).
  Tensor draw(mlir::Type type, double low, double high, int64_t integers);

private:
  /// SplitMix64, Steele, Lea and Flood (2014).
  uint64_t next();
  double uniform();
  uint64_t state;
};

struct GradientCheckOptions {
  uint64_t seed = 0;
  /// Step of the differences, times max(1, |x|).
  double step = 1e-4;
  /// Largest accepted |derivative - difference| / max(1, |derivative|, |difference|).
  double tolerance = 1e-7;
  /// How many elements of each value are moved; all of a smaller one.
  int64_t samples = 64;
  /// Interpreter options; float64 is implied.
  InterpreterOptions interpreter;
};

struct GradientCheckEntry {
  /// "argument 0" or "parameter 'name'".
  std::string name;
  int64_t checked = 0;
  double largestError = 0;
};

/// Checks the derivatives of `function` at `args` that `differentiate` builds, for all its
/// floating-point arguments and the trained parameters it reads, weighting its floating-point
/// results with random cotangents, against central differences of fourth order in double precision:
///
///   f'(x) ~ (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / (12 h)
///
/// A value without influence on the results by the rules must have none by differences. Gives what
/// was checked; fails, with an error at the function, at the first element beyond the tolerance,
/// and where nothing can be differentiated.
llvm::FailureOr<llvm::SmallVector<GradientCheckEntry>>
checkGradient(mlir::func::FuncOp function, llvm::ArrayRef<Tensor> args,
              const GradientCheckOptions &options);

} // namespace bigmac::interpreter

#endif // BIGMAC_INTERPRETER_GRADIENTCHECK_H
