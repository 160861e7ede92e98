//===- Combiner.h - How a reduction combines values -------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_TASKS_COMBINER_H
#define BIGMAC_TARGET_TASKS_COMBINER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace bigmac {

/// How one yielded value of a reduction is combined: yield = combiner(old, term).
struct Combiner {
  mlir::arith::AtomicRMWKind kind;
  /// In the op's body: what is combined with the old value.
  mlir::Value term;
};

/// The combiner of the `index`-th yielded value of `op`, whose old value is the matching output
/// argument; nothing where the body has another form.
std::optional<Combiner> matchCombiner(mlir::linalg::GenericOp op, unsigned index);

} // namespace bigmac

#endif // BIGMAC_TARGET_TASKS_COMBINER_H
