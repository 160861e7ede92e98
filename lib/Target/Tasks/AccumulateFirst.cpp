//===- AccumulateFirst.cpp - The task-accumulate-first pass ---------------===//

#include "bigmac/Target/TaskPasses.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_TASKACCUMULATEFIRST
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// An accumulator, or an accumulator and something added to it.
bool isAccumulation(Value value) {
  if (auto add = value.getDefiningOp<arith::AddFOp>())
    return isAccumulation(add.getLhs()) || isAccumulation(add.getRhs());
  auto read = value.getDefiningOp<bufferization::ToTensorOp>();
  return read && read.getWritable();
}

bool addsInPlace(Value value) {
  return isa_and_nonnull<nn::MatmulOp, nn::EmbeddingBackwardOp, nn::ReduceSumOp>(
      value.getDefiningOp());
}

struct AccumulateFirst : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::AddFOp op, PatternRewriter &rewriter) const override {
    if (!isa<RankedTensorType>(op.getType()))
      return failure();
    Value accumulator = op.getLhs(), sum = op.getRhs();
    if (!isAccumulation(accumulator))
      std::swap(accumulator, sum);
    auto inner = sum.getDefiningOp<arith::AddFOp>();
    if (!inner || !inner->hasOneUse() || !isAccumulation(accumulator) || isAccumulation(sum))
      return failure();
    Value first = inner.getLhs(), second = inner.getRhs();
    if (!addsInPlace(first))
      std::swap(first, second);
    Value partial = arith::AddFOp::create(rewriter, op.getLoc(), accumulator, first);
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, partial, second);
    return success();
  }
};

struct TaskAccumulateFirst : bigmac::impl::TaskAccumulateFirstBase<TaskAccumulateFirst> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<AccumulateFirst>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
