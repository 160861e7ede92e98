//===- LowerToLoops.cpp - The cpu-lower-to-loops pass ----------------------===//

#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_CPULOWERTOLOOPS
#include "bigmac/Target/CPUPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// How far each loop of `op` steps in an operand, in elements; nothing where that is not constant.
std::optional<SmallVector<int64_t>> stepsOf(linalg::LinalgOp op, OpOperand &operand) {
  SmallVector<int64_t> steps(op.getNumLoops(), 0);
  auto type = dyn_cast<MemRefType>(operand.get().getType());
  if (!type)
    return steps;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)) ||
      llvm::any_of(strides, ShapedType::isDynamic))
    return std::nullopt;
  AffineMap map = op.getMatchingIndexingMap(&operand);
  for (auto [expression, stride] : llvm::zip_equal(map.getResults(), strides)) {
    auto dim = dyn_cast<AffineDimExpr>(expression);
    if (!dim)
      return std::nullopt;
    steps[dim.getPosition()] += stride;
  }
  return steps;
}

/// Groups of adjacent loops that can be one: of one kind, and contiguous in every operand.
SmallVector<ReassociationIndices> mergeableLoops(linalg::LinalgOp op) {
  SmallVector<SmallVector<int64_t>> steps;
  for (OpOperand &operand : op->getOpOperands()) {
    auto operandSteps = stepsOf(op, operand);
    if (!operandSteps)
      return {};
    steps.push_back(*operandSteps);
  }
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  SmallVector<ReassociationIndices> groups;
  for (int64_t loop = 0, e = op.getNumLoops(); loop < e; ++loop) {
    bool isMergeable = loop > 0 && kinds[loop] == kinds[loop - 1] &&
                       llvm::all_of(steps, [&](ArrayRef<int64_t> operandSteps) {
                         return operandSteps[loop - 1] == operandSteps[loop] * sizes[loop];
                       });
    if (isMergeable)
      groups.back().push_back(loop);
    else
      groups.push_back({loop});
  }
  llvm::erase_if(groups, [](const ReassociationIndices &group) { return group.size() < 2; });
  return groups;
}

/// Makes innermost the loop along which the most operands are contiguous; the last one of equals.
struct ReorderLoops : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    unsigned loops = op.getNumLoops();
    if (loops < 2)
      return failure();
    SmallVector<int64_t> score(loops, 0);
    for (OpOperand &operand : op->getOpOperands()) {
      auto steps = stepsOf(op, operand);
      if (!steps)
        return failure();
      int64_t weight = op.isDpsInit(&operand) ? 2 : 1;
      for (auto [loop, step] : llvm::enumerate(*steps))
        score[loop] += weight * (step == 1 ? 2 : step == 0 ? 1 : 0);
    }
    // A loop of few trips is no good innermost.
    SmallVector<int64_t> sizes = op.getStaticLoopRanges();
    for (unsigned loop = 0; loop < loops; ++loop)
      if (sizes[loop] < 4)
        score[loop] = -1;
    unsigned best = loops - 1;
    for (unsigned loop = 0; loop < loops; ++loop)
      if (score[loop] > score[best])
        best = loop;
    if (best == loops - 1)
      return failure();
    SmallVector<unsigned> order;
    for (unsigned loop = 0; loop < loops; ++loop)
      if (loop != best)
        order.push_back(loop);
    order.push_back(best);
    return linalg::interchangeGenericOp(rewriter, op, order);
  }
};

struct CopyToGeneric : OpRewritePattern<memref::CopyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(memref::CopyOp op, PatternRewriter &rewriter) const override {
    if (op.getSource() != op.getTarget())
      linalg::makeMemRefCopyOp(rewriter, op.getLoc(), op.getSource(), op.getTarget());
    rewriter.eraseOp(op);
    return success();
  }
};

struct Generalize : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(linalg::LinalgOp op, PatternRewriter &rewriter) const override {
    return linalg::generalizeNamedOp(rewriter, op);
  }
};

/// Lets multiplications and additions become fused ones, as PyTorch's kernels have it.
void allowContraction(Operation *root) {
  root->walk([](Operation *op) {
    if (!isa<arith::AddFOp, arith::SubFOp, arith::MulFOp>(op))
      return;
    auto interface = cast<arith::ArithFastMathInterface>(op);
    arith::FastMathFlags flags = interface.getFastMathFlagsAttr().getValue();
    op->setAttr(
        interface.getFastMathAttrName(),
        arith::FastMathFlagsAttr::get(op->getContext(), flags | arith::FastMathFlags::contract));
  });
}

struct CPULowerToLoops : bigmac::impl::CPULowerToLoopsBase<CPULowerToLoops> {
  void runOnOperation() override {
    Operation *root = getOperation();
    MLIRContext *context = &getContext();
    {
      RewritePatternSet patterns(context);
      patterns.add<CopyToGeneric, Generalize>(context);
      linalg::populateCollapseDimensions(patterns,
                                         [](linalg::LinalgOp op) { return mergeableLoops(op); });
      if (failed(applyPatternsGreedily(root, std::move(patterns))))
        return signalPassFailure();
    }
    {
      RewritePatternSet patterns(context);
      patterns.add<ReorderLoops>(context);
      if (failed(applyPatternsGreedily(root, std::move(patterns))))
        return signalPassFailure();
    }
    SmallVector<linalg::LinalgOp> ops;
    root->walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      IRRewriter rewriter(op);
      if (failed(linalg::linalgOpToLoops(rewriter, op))) {
        op->emitOpError("cannot be lowered to loops");
        return signalPassFailure();
      }
      rewriter.eraseOp(op);
    }
    allowContraction(root);
  }
};

} // namespace
