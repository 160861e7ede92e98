//===- SplitPhases.h - Forward, backward, weight gradient -------*- C++ -*-===//
//
// Cuts one function that computes a stage's forward and its cotangents into one function a phase.
// What an earlier phase hands to a later one, its residuals, follows from the uses of values: it
// is decided here and nowhere else.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_AUTODIFF_SPLITPHASES_H
#define BIGMAC_AUTODIFF_SPLITPHASES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseSet.h"

namespace bigmac {

/// One phase of a split: which of the joint block's values it takes, and which it makes.
struct PhaseSlice {
  /// Block arguments and earlier phases' values that the phase reads, in a deterministic order.
  llvm::SmallVector<mlir::Value> inputs;
  /// What was asked of the phase, then the residuals of later phases; without repetition.
  llvm::SmallVector<mlir::Value> outputs;
  /// Ops of the joint block to clone, in order. Cheap ops may be in several phases.
  llvm::SmallVector<mlir::Operation *> ops;

  /// Clones the ops at `builder`, with `mapping` from every input to its replacement; afterwards
  /// it maps the outputs as well.
  void clone(mlir::OpBuilder &builder, mlir::IRMapping &mapping) const;
};

/// Cuts `block` into phases: phase p computes `wanted[p]` and runs after the earlier ones. An op
/// belongs to the first phase that needs it.
///
/// A later phase gets an earlier value either saved (an output of the phase that makes it) or
/// recomputed from saved ones; recomputed are only ops that cost about as much as a load
/// (elementwise arithmetic without transcendental functions, shape changes) and what depends on
/// `free` values alone. The choice is a minimum cut: the fewest bytes saved. `free` are block
/// arguments that every phase can read at no cost (parameters, graph inputs).
llvm::SmallVector<PhaseSlice>
splitPhases(mlir::Block &block, llvm::ArrayRef<llvm::SmallVector<mlir::Value>> wanted,
            const llvm::DenseSet<mlir::Value> &free);

} // namespace bigmac

#endif // BIGMAC_AUTODIFF_SPLITPHASES_H
