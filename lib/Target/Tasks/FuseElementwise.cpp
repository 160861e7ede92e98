//===- FuseElementwise.cpp - The task-fuse-elementwise pass ---------------===//

#include "bigmac/Target/TaskPasses.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_TASKFUSEELEMENTWISE
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// Ops of a body beside constants, widenings and the terminator.
unsigned bodySize(linalg::GenericOp op) {
  return llvm::count_if(op.getBlock()->without_terminator(), [](Operation &nested) {
    return !isa<arith::ConstantOp, arith::ExtFOp>(nested);
  });
}

/// Whether `producer`, fused into its user, is computed no more often than before, or costs
/// nothing.
bool shouldFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!producer || !consumer)
    return false;
  // A copy, a broadcast or a transpose, or one that widens: half the bytes are read instead.
  if (bodySize(producer) == 0)
    return true;
  AffineMap map = consumer.getMatchingIndexingMap(operand);
  return operand->get().hasOneUse() && map.isPermutation();
}

struct GeneralizeTranspose : OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::TransposeOp op, PatternRewriter &rewriter) const override {
    return linalg::generalizeNamedOp(rewriter, op);
  }
};

/// The one dimension that a slice takes a part of; nothing where there are more or others, or
/// steps.
std::optional<int64_t> slicedDim(tensor::ExtractSliceOp slice) {
  RankedTensorType from = slice.getSourceType(), to = slice.getType();
  if (from.getRank() != to.getRank() || !slice.hasUnitStride() ||
      llvm::is_contained(slice.getStaticOffsets(), ShapedType::kDynamic))
    return std::nullopt;
  std::optional<int64_t> dim;
  for (int64_t i = 0; i < from.getRank(); ++i)
    if (from.getDimSize(i) != to.getDimSize(i)) {
      if (dim)
        return std::nullopt;
      dim = i;
    }
  return dim;
}

/// Replaces `op` by as much of `whole`, from `offset` on in `dim`.
void replaceBySlice(PatternRewriter &rewriter, Operation *op, Value whole, int64_t dim,
                    int64_t offset) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), rewriter.getIndexAttr(0)),
      strides(type.getRank(), rewriter.getIndexAttr(1));
  offsets[dim] = rewriter.getIndexAttr(offset);
  rewriter.replaceOpWithNewOp<tensor::ExtractSliceOp>(
      op, type, whole, offsets, getAsIndexOpFoldResult(rewriter.getContext(), type.getShape()),
      strides);
}

/// A slice that is reshaped becomes a slice of the reshaped whole: loops over rows read slices
/// where they are.
struct ReshapeWholeOfSlice : OpRewritePattern<tensor::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExpandShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto slice = op.getSrc().getDefiningOp<tensor::ExtractSliceOp>();
    std::optional<int64_t> dim = slice ? slicedDim(slice) : std::nullopt;
    if (!dim || !op.getResultType().hasStaticShape() || !slice.getSourceType().hasStaticShape())
      return failure();
    const SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
    const int64_t outer = groups[*dim].front();
    int64_t inner = 1;
    for (int64_t i : ArrayRef<int64_t>(groups[*dim]).drop_front())
      inner *= op.getResultType().getDimSize(i);
    const int64_t offset = slice.getStaticOffset(*dim);
    const int64_t size = slice.getSourceType().getDimSize(*dim);
    if (inner == 0 || offset % inner != 0 || size % inner != 0)
      return failure();
    SmallVector<int64_t> shape(op.getResultType().getShape());
    shape[outer] = size / inner;
    Value whole = tensor::ExpandShapeOp::create(
        rewriter, op.getLoc(), op.getResultType().clone(shape), slice.getSource(), groups);
    replaceBySlice(rewriter, op, whole, outer, offset / inner);
    return success();
  }
};

/// Likewise where dimensions of one element are left out.
struct CollapseWholeOfSlice : OpRewritePattern<tensor::CollapseShapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::CollapseShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto slice = op.getSrc().getDefiningOp<tensor::ExtractSliceOp>();
    std::optional<int64_t> dim = slice ? slicedDim(slice) : std::nullopt;
    if (!dim || !slice.getSourceType().hasStaticShape())
      return failure();
    const SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
    const int64_t group = llvm::find_if(groups,
                                        [&](const ReassociationIndices &dims) {
                                          return llvm::is_contained(dims, *dim);
                                        }) -
                          groups.begin();
    if (groups.empty() || llvm::any_of(groups[group], [&](int64_t i) {
          return i != *dim && slice.getSourceType().getDimSize(i) != 1;
        }))
      return failure();
    SmallVector<int64_t> shape(op.getResultType().getShape());
    shape[group] = slice.getSourceType().getDimSize(*dim);
    Value whole = tensor::CollapseShapeOp::create(
        rewriter, op.getLoc(), op.getResultType().clone(shape), slice.getSource(), groups);
    replaceBySlice(rewriter, op, whole, group, slice.getStaticOffset(*dim));
    return success();
  }
};

struct TaskFuseElementwise : bigmac::impl::TaskFuseElementwiseBase<TaskFuseElementwise> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<GeneralizeTranspose, ReshapeWholeOfSlice, CollapseWholeOfSlice>(context);
    linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
