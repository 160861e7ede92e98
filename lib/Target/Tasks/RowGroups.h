//===- RowGroups.h - Which ops run in one loop over rows --------*- C++ -*-===//
//
// Ops that compute row by row over the same rows (the leading dimensions of their iteration
// spaces) can share one loop over the rows: what passes between them is then one row, which stays
// in cache, instead of a tensor that goes through memory.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TARGET_TASKS_ROWGROUPS_H
#define BIGMAC_TARGET_TASKS_ROWGROUPS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace bigmac {

/// How an op takes part in a loop over rows.
enum class RowKind {
  /// Not at all.
  None,
  /// Row i of the result depends on row i of the operands.
  PerRow,
  /// The result is a sum (or another reduction) over rows.
  OverRows,
  /// The result is such a sum for each point of the outermost row dimensions, over the others.
  OverInnerRows,
};

struct RowGroup {
  /// In program order.
  llvm::SmallVector<mlir::linalg::GenericOp> ops;
  /// Sizes of the leading dimensions that are looped over.
  llvm::SmallVector<int64_t> rows;

  RowKind kindOf(mlir::linalg::GenericOp op) const;
  /// How many leading dimensions of the rows a result of `op` has.
  unsigned outerRowsOf(mlir::linalg::GenericOp op) const;
};

struct RowGroupOptions {
  /// Smaller groups are left alone.
  unsigned leastOps = 2;
  /// Longer rows are not fused: they would not stay in the nearest caches, or in registers.
  int64_t mostRowElements = 32 * 1024;
  /// Whether a sum over rows may begin a group.
  bool sumsAlone = false;
  /// Whether a group must be what one kernel can run: besides the rows at most one dimension, equal
  /// for all ops, and reductions along or over the rows, of known combiners.
  bool kernels = false;
};

llvm::SmallVector<RowGroup> findRowGroups(mlir::Block &block, const RowGroupOptions &options);

} // namespace bigmac

#endif // BIGMAC_TARGET_TASKS_ROWGROUPS_H
