//===- RowProgram.h - A loop over rows as a kernel sees it ------*- C++ -*-===//
//
// `task-fuse-rows` gathers ops over the same rows into one loop nest whose body computes one row
// with one-dimensional structured ops. That nest is what a row kernel is generated from: a row is a
// block's (or a few threads') work, the row's values stay in registers, and sums over rows become
// partial sums of persistent blocks.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TARGET_CUDA_ROWPROGRAM_H
#define BIGMAC_TARGET_CUDA_ROWPROGRAM_H

#include "lib/Target/Tasks/Combiner.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace bigmac::cuda {

/// A value written to its row of a result.
struct RowStore {
  unsigned result;
  mlir::tensor::InsertSliceOp insert;

  mlir::Value source() const { return mlir::tensor::InsertSliceOp(insert).getSource(); }
  llvm::SmallVector<mlir::OpFoldResult> offsets() const {
    return mlir::tensor::InsertSliceOp(insert).getMixedOffsets();
  }
  mlir::RankedTensorType type() const {
    return mlir::tensor::InsertSliceOp(insert).getResultType();
  }
};

/// A result that is a reduction over rows.
struct RowAccumulator {
  unsigned result;
  mlir::linalg::GenericOp op;
  unsigned index;
  Combiner combiner;
  /// How many of the outermost loops' counters the result has: it is a reduction for each of their
  /// points.
  unsigned outer = 0;

  mlir::Value value() const { return mlir::linalg::GenericOp(op).getResult(index); }
};

struct RowProgram {
  /// Outermost first.
  llvm::SmallVector<mlir::scf::ForOp> loops;
  /// Elements of a row, of which each wide value has as many.
  int64_t columns = 1;
  /// Tensors read, defined outside the nest.
  llvm::SetVector<mlir::Value> inputs;
  /// Reductions along the row, by what they wait for: those of level i need only lower levels.
  llvm::SmallVector<llvm::SmallVector<mlir::linalg::GenericOp>> reductions;
  /// For each op of the body: how many levels of reductions it waits for.
  llvm::DenseMap<mlir::Operation *, unsigned> levels;
  llvm::SmallVector<RowStore> stores;
  llvm::SmallVector<RowAccumulator> accumulators;

  mlir::scf::ForOp outer() const { return loops.front(); }
  mlir::scf::ForOp inner() const { return loops.back(); }
  int64_t rows() const;
  /// Points of the outermost loops that a result is summed for, each of the same number of rows.
  int64_t sections() const;
  /// Whether a slice of the body is a row to load, and no part of what a result was.
  bool isLoaded(mlir::tensor::ExtractSliceOp slice) const;
  /// All that are.
  llvm::SmallVector<mlir::tensor::ExtractSliceOp> loads() const;
  /// Whether an op of the body is a reduction over rows.
  bool isAccumulator(mlir::linalg::GenericOp op) const;
  /// The value that the nest's `result` starts from.
  mlir::Value init(unsigned result) const {
    return mlir::scf::ForOp(loops.front()).getInitArgs()[result];
  }
};

/// Reads the nest whose outermost loop is `outer`. Nothing, with `reason` set, where its body has a
/// form that row kernels do not take.
std::optional<RowProgram> readRowProgram(mlir::scf::ForOp outer, std::string &reason);

} // namespace bigmac::cuda

#endif // BIGMAC_TARGET_CUDA_ROWPROGRAM_H
