//===- RowOrder.cpp - Which rows of a kernel are neighbours ----------------===//

#include "RowOrder.h"

#include "KernelBuilder.h"
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
static bool fillsLines(SliceOp slice, RankedTensorType whole, int64_t columns) {
  return !slice.getDroppedDims().test(whole.getRank() - 1) &&
         columns * bytesOf(whole.getElementType()) >= cacheLineBytes;
}

static bool allFillLines(const RowProgram &program) {
  return llvm::all_of(program.loads(),
                      [&](tensor::ExtractSliceOp slice) {
                        return !isWide(slice) ||
                               fillsLines(slice, slice.getSourceType(), program.columns);
                      }) &&
         llvm::all_of(program.stores, [&](const RowStore &store) {
           return !isWide(store.source()) ||
                  fillsLines(store.insert, store.type(), program.columns);
         });
}

/// What `rows` rows load, in bytes for each of their columns, where they differ in `loop` first.
static int64_t bytesLoaded(const RowProgram &program, scf::ForOp loop, int64_t rows) {
  const int64_t together = std::min(rows, *getConstantIntValue(loop.getUpperBound()));
  int64_t bytes = 0;
  for (tensor::ExtractSliceOp slice : program.loads()) {
    if (!isWide(slice))
      continue;
    bool isShared = llvm::none_of(slice.getMixedOffsets(), [&](OpFoldResult offset) {
      return dependsOn(offset, loop.getInductionVar());
    });
    bytes += bytesOf(getElementTypeOrSelf(slice.getType())) *
             (isShared ? (rows + together - 1) / together : rows);
  }
  return bytes;
}

SmallVector<scf::ForOp> cuda::rowOrder(const RowProgram &program, const KernelShape &shape) {
  SmallVector<scf::ForOp> order(llvm::reverse(program.loops));
  // Sums take each section's rows together.
  if (!program.accumulators.empty() || shape.rowsPerBlock == 1 || !allFillLines(program))
    return order;
  auto first = llvm::min_element(order, [&](scf::ForOp a, scf::ForOp b) {
    return bytesLoaded(program, a, shape.rowsPerBlock) <
           bytesLoaded(program, b, shape.rowsPerBlock);
  });
  std::rotate(order.begin(), first, std::next(first));
  return order;
}
