//===- LossTerms.h - Scalar outputs as sums of terms ------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_LOSSTERMS_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_LOSSTERMS_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"

namespace bigmac::pipeline {

/// `coefficient` times a value of one element.
struct Term {
  mlir::Value value;
  double coefficient;
};

/// Writes a one-element value as a sum of terms, through additions, subtractions, negations,
/// multiplications and divisions by constants, and changes of shape. Each term's value appears
/// once, in the order of first use. A sum with a constant in it stays one term.
llvm::SmallVector<Term> linearTerms(mlir::Value value);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_LOSSTERMS_H
