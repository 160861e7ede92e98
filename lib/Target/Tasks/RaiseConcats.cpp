//===- RaiseConcats.cpp - The task-raise-concats pass ---------------------===//

#include "TensorParts.h"

#include "bigmac/Target/TaskPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_TASKRAISECONCATS
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// A tensor that is zero but for a part.
struct Padded {
  Value value;
  Part part;
};

std::optional<Padded> matchPadded(Value tensor) {
  auto insert = tensor.getDefiningOp<tensor::InsertSliceOp>();
  if (!insert || insert.getSourceType().getRank() != insert.getType().getRank() ||
      !(matchPattern(insert.getDest(), m_AnyZeroFloat())))
    return std::nullopt;
  auto part = matchPart(insert.getStaticOffsets(), insert.getStaticSizes(),
                        insert.getStaticStrides(), insert.getType().getShape());
  if (!part)
    return std::nullopt;
  return Padded{insert.getSource(), *part};
}

/// The sum of two tensors that are zero where the other is not: the gradient of a split.
struct SumOfParts : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::AddFOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!type)
      return failure();
    auto low = matchPadded(op.getLhs()), high = matchPadded(op.getRhs());
    if (!low || !high || low->part.dim != high->part.dim)
      return failure();
    if (low->part.offset > high->part.offset)
      std::swap(low, high);
    int64_t dim = low->part.dim, begin = low->part.offset;
    if (begin + low->part.size != high->part.offset)
      return failure();
    Value joined =
        tensor::ConcatOp::create(rewriter, op.getLoc(), dim, ValueRange{low->value, high->value});
    int64_t size = low->part.size + high->part.size;
    if (size == type.getDimSize(dim)) {
      rewriter.replaceOp(op, joined);
      return success();
    }
    SmallVector<OpFoldResult> offsets(type.getRank(), rewriter.getIndexAttr(0));
    SmallVector<OpFoldResult> strides(type.getRank(), rewriter.getIndexAttr(1));
    SmallVector<OpFoldResult> sizes = getAsIndexOpFoldResult(
        rewriter.getContext(), cast<RankedTensorType>(joined.getType()).getShape());
    offsets[dim] = rewriter.getIndexAttr(begin);
    Value zero = op.getLhs().getDefiningOp<tensor::InsertSliceOp>().getDest();
    rewriter.replaceOpWithNewOp<tensor::InsertSliceOp>(op, joined, zero, offsets, sizes, strides);
    return success();
  }
};

/// A piece that is joined of pieces along the same dimension is those.
struct ConcatOfConcats : OpRewritePattern<tensor::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> pieces;
    for (Value input : op.getInputs()) {
      auto inner = input.getDefiningOp<tensor::ConcatOp>();
      if (inner && inner.getDim() == op.getDim() && inner->hasOneUse())
        llvm::append_range(pieces, inner.getInputs());
      else
        pieces.push_back(input);
    }
    if (pieces.size() == op.getInputs().size())
      return failure();
    rewriter.replaceOpWithNewOp<tensor::ConcatOp>(op, op.getType(), op.getDim(), pieces);
    return success();
  }
};

/// Pieces of one reshape each, joined along the first of the dimensions that it makes one: joined
/// before it, they are what an op computes, which can compute them where they belong.
struct ConcatBeforeReshape : OpRewritePattern<tensor::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<ReassociationIndices> groups;
    SmallVector<Value> pieces;
    SmallVector<int64_t> shape;
    for (Value input : op.getInputs()) {
      auto reshape = input.getDefiningOp<tensor::CollapseShapeOp>();
      if (!reshape || !reshape->hasOneUse())
        return failure();
      SmallVector<int64_t> sizes(reshape.getSrcType().getShape());
      if (pieces.empty()) {
        groups = reshape.getReassociationIndices();
        shape = sizes;
      }
      const int64_t dim = groups[op.getDim()].front();
      if (reshape.getReassociationIndices() != groups || sizes.size() != shape.size())
        return failure();
      for (size_t i = 0; i < sizes.size(); ++i)
        if (static_cast<int64_t>(i) != dim && sizes[i] != shape[i])
          return failure();
      pieces.push_back(reshape.getSrc());
    }
    Value joined =
        tensor::ConcatOp::create(rewriter, op.getLoc(), groups[op.getDim()].front(), pieces);
    rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, op.getType(), joined, groups);
    return success();
  }
};

struct TaskRaiseConcats : bigmac::impl::TaskRaiseConcatsBase<TaskRaiseConcats> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SumOfParts, ConcatBeforeReshape, ConcatOfConcats>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
