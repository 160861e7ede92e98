//===- RowOrder.cpp - Which rows of a kernel are neighbours ----------------===//

#include "RowOrder.h"

#include "RowValues.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"

#include <algorithm>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

static constexpr int64_t cacheLineBytes = 128;

/// Whether an offset is `counter`, or computed from it.
static bool dependsOn(OpFoldResult offset, Value counter) {
  auto value = dyn_cast<Value>(offset);
  if (!value || value == counter)
    return value != nullptr;
  auto apply = value.getDefiningOp<affine::AffineApplyOp>();
  return apply && llvm::any_of(apply.getMapOperands(),
                               [&](Value operand) { return dependsOn(operand, counter); });
}

/// Whether a row of a tensor lies together in memory and is no shorter than a cache line: shorter
/// ones need their neighbours in memory as neighbours, or what else is in their lines is loaded for
/// nothing.
template <typename SliceOp>
static bool isLong(SliceOp slice, RankedTensorType whole, int64_t columns) {
  return !slice.getDroppedDims().test(whole.getRank() - 1) &&
         columns * bytesOf(whole.getElementType()) >= cacheLineBytes;
}

static bool areLong(const RowProgram &program) {
  return llvm::all_of(program.loads(),
                      [&](tensor::ExtractSliceOp slice) {
                        return !isWide(slice) ||
                               isLong(slice, slice.getSourceType(), program.columns);
                      }) &&
         llvm::all_of(program.stores, [&](const RowStore &store) {
           return !isWide(store.source()) || isLong(store.insert, store.type(), program.columns);
         });
}

/// What `rows` consecutive rows load, in bytes for each of their columns, where rows are numbered
/// in this order.
static int64_t bytesLoaded(const RowProgram &program, ArrayRef<scf::ForOp> order, int64_t rows) {
  int64_t bytes = 0;
  for (tensor::ExtractSliceOp slice : program.loads()) {
    if (!isWide(slice))
      continue;
    int64_t left = rows, distinct = 1;
    for (scf::ForOp loop : order) {
      const int64_t turns = std::min(left, *getConstantIntValue(loop.getUpperBound()));
      if (llvm::any_of(slice.getMixedOffsets(), [&](OpFoldResult offset) {
            return dependsOn(offset, loop.getInductionVar());
          }))
        distinct *= turns;
      left = (left + turns - 1) / turns;
    }
    bytes += bytesOf(getElementTypeOrSelf(slice.getType())) * std::min(distinct, rows);
  }
  return bytes;
}

SmallVector<scf::ForOp> cuda::rowOrder(const RowProgram &program, const KernelShape &shape) {
  const SmallVector<scf::ForOp> outwards(llvm::reverse(program.loops));
  // Sums take each section's rows together.
  if (!program.accumulators.empty() || !areLong(program))
    return outwards;
  const int64_t rows = shape.rowsPerBlock * shape.rowsPerThread;
  SmallVector<scf::ForOp> best = outwards;
  // Rows in the loops' own order often lie side by side, which is worth something too.
  int64_t most = bytesLoaded(program, outwards, rows) / 2;
  for (size_t i = 1; i < outwards.size(); ++i) {
    SmallVector<scf::ForOp> order = outwards;
    std::rotate(order.begin(), order.begin() + i, order.begin() + i + 1);
    if (int64_t bytes = bytesLoaded(program, order, rows); bytes <= most) {
      most = bytes - 1;
      best = order;
    }
  }
  return best;
}
