//===- SplitConcats.cpp - The task-split-concats pass ---------------------===//

#include "TensorParts.h"

#include "bigmac/Target/TaskPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_TASKSPLITCONCATS
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// Whether `op` computes one tensor element by element, in the order of its dimensions.
bool isElementwise(linalg::GenericOp op) {
  return op.hasPureTensorSemantics() && op->getNumResults() == 1 &&
         op.getNumParallelLoops() == op.getNumLoops() &&
         op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isIdentity() &&
         !op.payloadUsesValueFromOperand(op.getDpsInitOperand(0)) && !op.hasIndexSemantics() &&
         llvm::all_of(op.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isProjectedPermutation(); });
}

/// `op` in a part of its iteration space, which is also that of its result.
Value elementwisePart(PatternRewriter &rewriter, linalg::GenericOp op, const Part &part) {
  SmallVector<Value> inputs;
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    auto position = map.getResultPosition(rewriter.getAffineDimExpr(part.dim));
    inputs.push_back(position ? slicePart(rewriter, op.getLoc(), input->get(),
                                          {*position, part.offset, part.size})
                              : input->get());
  }
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[part.dim] = part.size;
  Value init = tensor::EmptyOp::create(rewriter, op.getLoc(), shape, type.getElementType());
  auto result = linalg::GenericOp::create(rewriter, op.getLoc(), TypeRange{init.getType()}, inputs,
                                          ValueRange{init}, op.getIndexingMapsArray(),
                                          op.getIteratorTypesArray());
  rewriter.cloneRegionBefore(op.getRegion(), result.getRegion(), result.getRegion().end());
  return result.getResult(0);
}

/// A part of what is computed element by element is computed alone, where nobody needs all of it.
struct SliceBeforeElementwise : OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExtractSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto producer = op.getSource().getDefiningOp<linalg::GenericOp>();
    if (!producer || !isElementwise(producer))
      return failure();
    std::optional<Part> part = matchPart(op);
    bool isCopy = llvm::hasSingleElement(*producer.getBlock());
    if (!part ||
        !(isCopy || llvm::all_of(op.getSource().getUsers(), llvm::IsaPred<tensor::ExtractSliceOp>)))
      return failure();
    rewriter.replaceOp(op, elementwisePart(rewriter, producer, *part));
    return success();
  }
};

/// What is computed element by element from a concatenation is a concatenation itself.
struct ElementwiseBeforeConcat : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    if (!isElementwise(op))
      return failure();
    for (OpOperand *input : op.getDpsInputOperands()) {
      auto concat = input->get().getDefiningOp<tensor::ConcatOp>();
      if (!concat || !concat->hasOneUse())
        continue;
      int64_t dim = cast<AffineDimExpr>(op.getMatchingIndexingMap(input).getResult(concat.getDim()))
                        .getPosition();
      SmallVector<Value> parts;
      int64_t offset = 0;
      for (Value piece : concat.getInputs()) {
        int64_t size = cast<RankedTensorType>(piece.getType()).getDimSize(concat.getDim());
        parts.push_back(elementwisePart(rewriter, op, {dim, offset, size}));
        offset += size;
      }
      rewriter.replaceOpWithNewOp<tensor::ConcatOp>(op, dim, parts);
      return success();
    }
    return failure();
  }
};

/// A part of a concatenation that is one of its pieces, or lies in one.
struct SliceOfConcat : OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExtractSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto concat = op.getSource().getDefiningOp<tensor::ConcatOp>();
    std::optional<Part> part = concat ? matchPart(op) : std::nullopt;
    if (!part || part->dim != static_cast<int64_t>(concat.getDim()))
      return failure();
    int64_t offset = 0;
    for (Value piece : concat.getInputs()) {
      int64_t size = cast<RankedTensorType>(piece.getType()).getDimSize(part->dim);
      if (part->offset >= offset && part->offset + part->size <= offset + size) {
        Part within = {part->dim, part->offset - offset, part->size};
        rewriter.replaceOp(
            op, within.size == size ? piece : slicePart(rewriter, op.getLoc(), piece, within));
        return success();
      }
      offset += size;
    }
    return failure();
  }
};

struct TaskSplitConcats : bigmac::impl::TaskSplitConcatsBase<TaskSplitConcats> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SliceBeforeElementwise, ElementwiseBeforeConcat, SliceOfConcat>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
