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

struct TaskFuseElementwise : bigmac::impl::TaskFuseElementwiseBase<TaskFuseElementwise> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<GeneralizeTranspose>(context);
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
