//===- FuseElementwise.cpp - The task-fuse-elementwise pass ---------------===//

#include "TensorParts.h"

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

/// A slice that is reshaped becomes a slice of the reshaped whole: loops over rows read slices
/// where they are.
struct ReshapeWholeOfSlice : OpRewritePattern<tensor::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExpandShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto slice = op.getSrc().getDefiningOp<tensor::ExtractSliceOp>();
    std::optional<Part> part = slice ? matchPart(slice) : std::nullopt;
    if (!part || !op.getResultType().hasStaticShape())
      return failure();
    const SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
    const int64_t outer = groups[part->dim].front();
    int64_t inner = 1;
    for (int64_t i : ArrayRef<int64_t>(groups[part->dim]).drop_front())
      inner *= op.getResultType().getDimSize(i);
    const int64_t size = slice.getSourceType().getDimSize(part->dim);
    if (inner == 0 || part->offset % inner != 0 || size % inner != 0)
      return failure();
    SmallVector<int64_t> shape(op.getResultType().getShape());
    shape[outer] = size / inner;
    Value whole = tensor::ExpandShapeOp::create(
        rewriter, op.getLoc(), op.getResultType().clone(shape), slice.getSource(), groups);
    rewriter.replaceOp(op, slicePart(rewriter, op.getLoc(), whole,
                                     {outer, part->offset / inner, part->size / inner}));
    return success();
  }
};

/// Likewise where dimensions of one element are left out.
struct CollapseWholeOfSlice : OpRewritePattern<tensor::CollapseShapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::CollapseShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto slice = op.getSrc().getDefiningOp<tensor::ExtractSliceOp>();
    std::optional<Part> part = slice ? matchPart(slice) : std::nullopt;
    if (!part)
      return failure();
    const SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
    const int64_t group = llvm::find_if(groups,
                                        [&](const ReassociationIndices &dims) {
                                          return llvm::is_contained(dims, part->dim);
                                        }) -
                          groups.begin();
    if (groups.empty() || llvm::any_of(groups[group], [&](int64_t i) {
          return i != part->dim && slice.getSourceType().getDimSize(i) != 1;
        }))
      return failure();
    SmallVector<int64_t> shape(op.getResultType().getShape());
    shape[group] = slice.getSourceType().getDimSize(part->dim);
    Value whole = tensor::CollapseShapeOp::create(
        rewriter, op.getLoc(), op.getResultType().clone(shape), slice.getSource(), groups);
    rewriter.replaceOp(op,
                       slicePart(rewriter, op.getLoc(), whole, {group, part->offset, part->size}));
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
