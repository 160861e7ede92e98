//===- Bufferize.cpp - The cpu-bufferize pass ------------------------------===//

#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/Bufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_CPUBUFFERIZE
#include "bigmac/Target/CPUPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// Each user of a fill gets its own: shared, all but the last would have to copy it.
void unshareFills(ModuleOp module) {
  SmallVector<linalg::FillOp> fills;
  module.walk([&](linalg::FillOp fill) { fills.push_back(fill); });
  for (linalg::FillOp fill : fills) {
    if (fill->getNumResults() == 0)
      continue;
    OpBuilder builder(fill->getContext());
    for (OpOperand &use : llvm::make_early_inc_range(fill->getUses())) {
      // Where the use is, so that the value lives no longer than it must.
      builder.setInsertionPoint(use.getOwner());
      auto type = cast<RankedTensorType>(fill.getResult(0).getType());
      Value empty =
          tensor::EmptyOp::create(builder, fill.getLoc(), type.getShape(), type.getElementType());
      use.set(linalg::FillOp::create(builder, fill.getLoc(), fill.value(), empty).getResult(0));
    }
    fill.erase();
  }
}

/// Each user of an empty tensor gets its own: what is computed in a part of another tensor, or in
/// an argument, is so by itself.
void unshareEmpties(ModuleOp module) {
  SmallVector<tensor::EmptyOp> empties;
  module.walk([&](tensor::EmptyOp empty) { empties.push_back(empty); });
  for (tensor::EmptyOp empty : empties) {
    OpBuilder builder(empty.getContext());
    for (OpOperand &use : llvm::make_early_inc_range(empty->getUses())) {
      builder.setInsertionPoint(use.getOwner());
      use.set(builder.clone(*empty)->getResult(0));
    }
    empty.erase();
  }
}

/// Moves what only depends on the task's arguments to where it is first needed: until then it would
/// take up space.
void sinkRecomputed(func::FuncOp task) {
  auto isArgument = [](Value value) {
    Operation *op = value.getDefiningOp();
    return !op || isa<bufferization::ToTensorOp, tensor::EmptyOp>(op) ||
           op->hasTrait<OpTrait::ConstantLike>();
  };
  Block &body = task.front();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body))) {
    bool isMovable = isa<linalg::LinalgOp, tensor::ExtractSliceOp, tensor::CollapseShapeOp,
                         tensor::ExpandShapeOp>(op) &&
                     llvm::all_of(op.getOperands(), isArgument);
    if (!isMovable)
      continue;
    Operation *first = nullptr;
    for (Operation *user : op.getUsers()) {
      Operation *ancestor = body.findAncestorOpInBlock(*user);
      if (!first || ancestor->isBeforeInBlock(first))
        first = ancestor;
    }
    if (first)
      op.moveBefore(first);
  }
}

/// A reshaped value is written to the reshaped destination.
struct WriteBeforeReshape : OpRewritePattern<bufferization::MaterializeInDestinationOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bufferization::MaterializeInDestinationOp op,
                                PatternRewriter &rewriter) const override {
    if (!isa<MemRefType>(op.getDest().getType()))
      return failure();
    Operation *reshape = op.getSource().getDefiningOp();
    Value dest;
    if (auto expand = dyn_cast_or_null<tensor::ExpandShapeOp>(reshape)) {
      dest = memref::CollapseShapeOp::create(rewriter, op.getLoc(), op.getDest(),
                                             expand.getReassociationIndices());
    } else if (auto collapse = dyn_cast_or_null<tensor::CollapseShapeOp>(reshape)) {
      dest = memref::ExpandShapeOp::create(rewriter, op.getLoc(),
                                           collapse.getSrc().getType().getShape(), op.getDest(),
                                           collapse.getReassociationIndices());
    } else {
      return failure();
    }
    rewriter.replaceOpWithNewOp<bufferization::MaterializeInDestinationOp>(
        op, Type(), reshape->getOperand(0), dest, op.getRestrict(), op.getWritable());
    return success();
  }
};

/// The pieces of a concatenation are written to parts of its destination.
struct WriteBeforeConcat : OpRewritePattern<bufferization::MaterializeInDestinationOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(bufferization::MaterializeInDestinationOp op,
                                PatternRewriter &rewriter) const override {
    auto concat = op.getSource().getDefiningOp<tensor::ConcatOp>();
    if (!concat || !concat->hasOneUse() || !isa<MemRefType>(op.getDest().getType()))
      return failure();
    int64_t rank = concat.getType().getRank(), dim = concat.getDim(), begin = 0;
    SmallVector<OpFoldResult> offsets(rank, rewriter.getIndexAttr(0));
    SmallVector<OpFoldResult> strides(rank, rewriter.getIndexAttr(1));
    for (Value piece : concat.getInputs()) {
      ArrayRef<int64_t> shape = cast<RankedTensorType>(piece.getType()).getShape();
      offsets[dim] = rewriter.getIndexAttr(begin);
      Value part =
          memref::SubViewOp::create(rewriter, op.getLoc(), op.getDest(), offsets,
                                    getAsIndexOpFoldResult(rewriter.getContext(), shape), strides);
      bufferization::MaterializeInDestinationOp::create(rewriter, op.getLoc(), Type(), piece, part,
                                                        op.getRestrict(), op.getWritable());
      begin += shape[dim];
    }
    rewriter.eraseOp(op);
    return success();
  }
};

struct CPUBufferize : bigmac::impl::CPUBufferizeBase<CPUBufferize> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    unshareFills(module);
    unshareEmpties(module);
    for (auto task : module.getOps<func::FuncOp>())
      if (!task.isExternal())
        sinkRecomputed(task);
    // Destinations first: afterwards a concatenation is a chain of insertions.
    RewritePatternSet writes(&getContext()), pieces(&getContext());
    writes.add<WriteBeforeReshape, WriteBeforeConcat>(&getContext());
    tensor::populateDecomposeTensorConcatPatterns(pieces);
    GreedyRewriteConfig config = GreedyRewriteConfig().enableConstantCSE(false);
    if (failed(applyPatternsGreedily(module, std::move(writes), config)) ||
        failed(applyPatternsGreedily(module, std::move(pieces), config)))
      return signalPassFailure();

    IRRewriter rewriter(module);
    // Results that end up in a part of another tensor are computed there.
    if (failed(bufferization::eliminateEmptyTensors(rewriter, module)))
      return signalPassFailure();

    RewritePatternSet patterns(&getContext());
    bufferization::populateEmptyTensorToAllocTensorPattern(patterns);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();

    bufferization::OneShotBufferizationOptions options;
    // Allocations become offsets into a workspace: nothing has to be freed.
    options.allowUnknownOps = false;
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotBufferize(module, options, state)))
      return signalPassFailure();
  }
};

} // namespace
