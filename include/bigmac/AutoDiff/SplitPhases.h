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

#include <functional>
#include <limits>

namespace bigmac {

/// One phase of a split: which of the joint block's values it takes, and which it makes.
struct PhaseSlice {
  /// Block arguments and earlier phases' values that the phase reads, in a deterministic order.
  llvm::SmallVector<mlir::Value> inputs;
  /// What was asked of the phase, then the residuals of later phases; without repetition.
  llvm::SmallVector<mlir::Value> outputs;
  /// Ops of the joint block to clone, in order; those that are computed again come right before
  /// their first use. An op may be in several phases.
  llvm::SmallVector<mlir::Operation *> ops;

  /// Clones the ops at `builder`, with `mapping` from every input to its replacement; afterwards
  /// it maps the outputs as well.
  void clone(mlir::OpBuilder &builder, mlir::IRMapping &mapping) const;
};

/// How bytes that are kept for a later phase are weighed against computing them again.
struct RecomputePolicy {
  /// Computing again for a second is worth it where that saves at least so many bytes. Infinite:
  /// only ops that cost about as much as a load are computed again. 0: everything is, so that
  /// only the function's own inputs are kept.
  double bytesPerSecond = std::numeric_limits<double>::infinity();
  /// Seconds that one run of an op takes; not needed where `bytesPerSecond` is infinite.
  std::function<double(mlir::Operation *)> secondsOf;
  /// Ops of one result that the device computes again sooner than it writes and reads the result;
  /// null: none but those that are cheap anywhere.
  std::function<bool(mlir::Operation *)> isCheap;
};

struct PhaseSplit {
  llvm::SmallVector<PhaseSlice> phases;
  /// Bytes that later phases read of the first phase's values and of arguments that it reads too,
  /// `free` ones aside: what one run of the first phase leaves in memory.
  uint64_t heldBytes = 0;
  /// The most bytes of intermediate values that are alive at once in a later phase. An estimate:
  /// code generation fuses ops and updates buffers in place.
  uint64_t transientBytes = 0;
  /// Seconds of the ops that later phases compute again, but for those that every policy does.
  double recomputeSeconds = 0;
};

/// Cuts `block` into phases: phase p computes `wanted[p]` and runs after the earlier ones. An op
/// belongs to the first phase that needs it.
///
/// A later phase gets an earlier value either saved (an output of the latest phase before it that
/// has computed it) or recomputed from saved ones. The choice is a minimum cut of bytes saved plus
/// `policy`'s bytes per second of recomputation. Ops that cost about as much as a load (elementwise
/// arithmetic without transcendental functions, shape changes, transposes, what the policy calls
/// cheap) and what depends on `free` values alone cost nothing. Of a value and its transpose, or a
/// whole and all its slices, what memory holds anyway is saved. `free` are block arguments that
/// every phase can read at no cost (parameters, graph inputs).
PhaseSplit splitPhases(mlir::Block &block, llvm::ArrayRef<llvm::SmallVector<mlir::Value>> wanted,
                       const llvm::DenseSet<mlir::Value> &free, const RecomputePolicy &policy = {});

/// Of `gradients`, those that are worth a phase of their own after the one that computes `earlier`:
/// they need a matrix product, or another op that is no part of a kernel with its neighbours, or
/// they read nothing that a kernel of the earlier phases makes or reads. The others (scales and
/// biases of norms) take almost no time there, and another pass over memory anywhere else. If all
/// are of that kind, all.
llvm::DenseSet<mlir::Value> deferredGradients(llvm::ArrayRef<mlir::Value> earlier,
                                              llvm::ArrayRef<mlir::Value> gradients);

} // namespace bigmac

#endif // BIGMAC_AUTODIFF_SPLITPHASES_H
