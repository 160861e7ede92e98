//===- FoldContractions.cpp - The task-fold-contractions pass -------------===//

#include "bigmac/Target/TaskPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_TASKFOLDCONTRACTIONS
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

//===----------------------------------------------------------------------===//
// Transposes
//===----------------------------------------------------------------------===//

namespace {

/// Whether the last dimension of every operand is one of a matrix, not of the batch: only then can
/// it be the unit stride that a matrix product needs.
bool keepsMatricesContiguous(ArrayRef<AffineMap> maps) {
  return llvm::all_of(maps, [&](AffineMap map) {
    if (map.getNumResults() == 0)
      return true;
    AffineExpr last = map.getResults().back();
    return llvm::any_of(
        maps, [&](AffineMap other) { return !other.getResultPosition(last).has_value(); });
  });
}

Value createContract(PatternRewriter &rewriter, Location loc, ValueRange inputs, Value init,
                     ArrayRef<AffineMap> maps) {
  return linalg::ContractOp::create(rewriter, loc, TypeRange{init.getType()}, inputs,
                                    ValueRange{init}, rewriter.getAffineMapArrayAttr(maps))
      .getResult(0);
}

/// contract(transpose(a), b) reads a itself.
struct FoldOperandTranspose : OpRewritePattern<linalg::ContractOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::ContractOp op, PatternRewriter &rewriter) const override {
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    SmallVector<Value> inputs = op.getDpsInputs();
    bool changed = false;
    for (unsigned i = 0; i < 2; ++i) {
      auto transpose = inputs[i].getDefiningOp<linalg::TransposeOp>();
      if (!transpose)
        continue;
      SmallVector<AffineExpr> results(maps[i].getResults());
      for (auto [to, from] : llvm::enumerate(transpose.getPermutation()))
        results[from] = maps[i].getResult(to);
      SmallVector<AffineMap> candidate = maps;
      candidate[i] = AffineMap::get(maps[i].getNumDims(), 0, results, op.getContext());
      if (!keepsMatricesContiguous(candidate))
        continue;
      maps = candidate;
      inputs[i] = transpose.getInput();
      changed = true;
    }
    if (!changed)
      return failure();
    rewriter.replaceOp(op,
                       createContract(rewriter, op.getLoc(), inputs, op.getDpsInits()[0], maps));
    return success();
  }
};

/// transpose(contract(a, b)) is computed transposed.
struct FoldResultTranspose : OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::TransposeOp op, PatternRewriter &rewriter) const override {
    auto contract = op.getInput().getDefiningOp<linalg::ContractOp>();
    if (!contract || !contract->hasOneUse())
      return failure();
    auto fill = contract.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    if (!fill)
      return failure();
    SmallVector<AffineMap> maps = contract.getIndexingMapsArray();
    SmallVector<AffineExpr> results;
    for (int64_t from : op.getPermutation())
      results.push_back(maps[2].getResult(from));
    maps[2] = AffineMap::get(maps[2].getNumDims(), 0, results, op.getContext());
    if (!keepsMatricesContiguous(maps))
      return failure();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Value empty =
        tensor::EmptyOp::create(rewriter, op.getLoc(), type.getShape(), type.getElementType());
    Value init = linalg::FillOp::create(rewriter, op.getLoc(), fill.value(), empty).getResult(0);
    rewriter.replaceOp(op,
                       createContract(rewriter, op.getLoc(), contract.getDpsInputs(), init, maps));
    return success();
  }
};

/// transpose(transpose(a)) is one transpose, or none.
struct FoldTransposePair : OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::TransposeOp op, PatternRewriter &rewriter) const override {
    if (llvm::equal(op.getPermutation(), llvm::seq<int64_t>(0, op.getPermutation().size()))) {
      rewriter.replaceOp(op, op.getInput());
      return success();
    }
    auto inner = op.getInput().getDefiningOp<linalg::TransposeOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> permutation;
    for (int64_t dim : op.getPermutation())
      permutation.push_back(inner.getPermutation()[dim]);
    rewriter.replaceOpWithNewOp<linalg::TransposeOp>(op, inner.getInput(), op.getInit(),
                                                     permutation);
    return success();
  }
};

/// A slice of a transpose is a transpose of a slice, and none where the dimensions that the slice
/// keeps stay in order: a head of [batch, heads, rows, depth].
struct SliceBeforeTranspose : OpRewritePattern<tensor::ExtractSliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::ExtractSliceOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = op.getSource().getDefiningOp<linalg::TransposeOp>();
    if (!transpose || !op.getType().hasStaticShape())
      return failure();
    int64_t rank = transpose.getPermutation().size();
    SmallVector<OpFoldResult> offsets(rank), sizes(rank), strides(rank);
    llvm::SmallBitVector dropped = op.getDroppedDims();
    SmallVector<int64_t> kept;
    for (auto [to, from] : llvm::enumerate(transpose.getPermutation())) {
      offsets[from] = op.getMixedOffsets()[to];
      sizes[from] = op.getMixedSizes()[to];
      strides[from] = op.getMixedStrides()[to];
      if (!dropped.test(to))
        kept.push_back(from);
    }
    if (!llvm::is_sorted(kept))
      return failure();
    rewriter.replaceOpWithNewOp<tensor::ExtractSliceOp>(op, op.getType(), transpose.getInput(),
                                                        offsets, sizes, strides);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

/// The operands of `op` if it adds two tensors of its own shape.
std::optional<std::pair<Value, Value>> matchAddition(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2 || op.getNumDpsInits() != 1 ||
      op.getNumParallelLoops() != op.getNumLoops() ||
      !llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return std::nullopt;
  Block &body = *op.getBlock();
  auto add = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!add || !llvm::hasNItems(body, 2))
    return std::nullopt;
  auto position = [&](Value value) -> int {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == &body ? static_cast<int>(argument.getArgNumber())
                                                    : -1;
  };
  int left = position(add.getLhs()), right = position(add.getRhs());
  if (left < 0 || right < 0 || left > 1 || right > 1 || left == right)
    return std::nullopt;
  return std::make_pair(op.getDpsInputs()[0], op.getDpsInputs()[1]);
}

bool isZeroFill(Value value) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  return fill && matchPattern(fill.value(), m_AnyZeroFloat());
}

/// Whether `op` adds to its initial value: a contraction, or a generic whose body does.
bool isSum(linalg::LinalgOp op) {
  if (isa<linalg::ContractOp>(op))
    return true;
  auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
  if (!generic || generic.getNumDpsInits() != 1 || generic.getNumReductionLoops() == 0)
    return false;
  BlockArgument init = generic.getRegionOutputArgs()[0];
  auto add = generic.getBlock()->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  return add && init.hasOneUse() && *init.user_begin() == add &&
         (add.getLhs() == init || add.getRhs() == init);
}

/// A sum from zero with one use, seen through reshapes.
linalg::LinalgOp matchSumFromZero(Value value) {
  while (value.hasOneUse()) {
    if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>()) {
      value = expand.getSrc();
      continue;
    }
    if (auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>()) {
      value = collapse.getSrc();
      continue;
    }
    auto op = value.getDefiningOp<linalg::LinalgOp>();
    if (!op || !isSum(op) || !isZeroFill(op.getDpsInits()[0]))
      return {};
    return op;
  }
  return {};
}

bool isAccumulator(Value value) {
  auto read = value.getDefiningOp<bufferization::ToTensorOp>();
  return read && read.getWritable();
}

/// Whether `value` may be overwritten by a sum that starts from it: it is a sum itself, an
/// accumulator, or repeats a smaller tensor, which costs no more than zeroing.
bool isGoodInit(Value value) {
  if (isAccumulator(value))
    return llvm::count_if(value.getUses(), [](OpOperand &use) {
             // That the update is written there is no second use of the old value.
             auto write = dyn_cast<bufferization::MaterializeInDestinationOp>(use.getOwner());
             return !write || write.getDest() != use.get();
           }) == 1;
  if (!value.hasOneUse())
    return false;
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<linalg::ContractOp, scf::ForOp>(op))
    return true;
  if (isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
    return isGoodInit(op->getOperand(0));
  auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
  if (!generic || generic.getNumDpsInputs() != 1)
    return false;
  if (isSum(generic))
    return true;
  AffineMap input = generic.getIndexingMapsArray()[0];
  return llvm::hasSingleElement(*generic.getBlock()) && input.getNumResults() < input.getNumDims();
}

/// `value` in the shape of `like`, undoing the reshapes between `like` and `last`.
Value reshapeLike(PatternRewriter &rewriter, Value value, Value last, Value like) {
  if (last == like)
    return value;
  Operation *op = last.getDefiningOp();
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    value = tensor::CollapseShapeOp::create(rewriter, op->getLoc(), expand.getSrc().getType(),
                                            value, expand.getReassociationIndices());
    return reshapeLike(rewriter, value, expand.getSrc(), like);
  }
  auto collapse = cast<tensor::CollapseShapeOp>(op);
  value = tensor::ExpandShapeOp::create(rewriter, op->getLoc(), collapse.getSrc().getType(), value,
                                        collapse.getReassociationIndices());
  return reshapeLike(rewriter, value, collapse.getSrc(), like);
}

/// init + sum(from zero) is the sum from init.
struct FoldAddition : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op, PatternRewriter &rewriter) const override {
    auto operands = matchAddition(op);
    if (!operands)
      return failure();
    auto [left, right] = *operands;
    return success(succeeded(fold(op, left, right, rewriter)) ||
                   succeeded(fold(op, right, left, rewriter)));
  }

private:
  static LogicalResult fold(linalg::GenericOp op, Value init, Value value,
                            PatternRewriter &rewriter) {
    linalg::LinalgOp sum = matchSumFromZero(value);
    if (!sum || sum->getBlock() != op->getBlock() || !isGoodInit(init))
      return failure();
    // Where both exist: the operands of the sum need not wait for the addition.
    Operation *last = sum;
    if (Operation *def = init.getDefiningOp();
        def && def->getBlock() == last->getBlock() && last->isBeforeInBlock(def))
      last = def;
    rewriter.setInsertionPointAfter(last);
    Value seed = reshapeLike(rewriter, init, value, sum->getResult(0));
    IRMapping mapping;
    mapping.map(sum.getDpsInits()[0], seed);
    Value result = rewriter.clone(*sum, mapping)->getResult(0);
    for (Value step : reshapesFrom(value, sum->getResult(0))) {
      IRMapping reshape;
      reshape.map(step.getDefiningOp()->getOperand(0), result);
      result = rewriter.clone(*step.getDefiningOp(), reshape)->getResult(0);
    }
    rewriter.replaceOp(op, result);
    return success();
  }

  /// The results of the reshapes that lead from `first` to `value`, in order.
  static SmallVector<Value> reshapesFrom(Value value, Value first) {
    SmallVector<Value> steps;
    for (; value != first; value = value.getDefiningOp()->getOperand(0))
      steps.push_back(value);
    std::reverse(steps.begin(), steps.end());
    return steps;
  }
};

struct TaskFoldContractions : bigmac::impl::TaskFoldContractionsBase<TaskFoldContractions> {
  void runOnOperation() override {
    // An elementwise op whose result starts as one of its operands seems to use it twice.
    RewritePatternSet initPatterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(initPatterns, [](OpOperand *) { return false; });
    if (failed(applyPatternsGreedily(getOperation(), std::move(initPatterns))))
      return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldOperandTranspose, FoldResultTranspose, FoldTransposePair, SliceBeforeTranspose,
                 FoldAddition>(&getContext());
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, &getContext());
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
