//===- RaiseLoss.cpp - nn-raise-loss ---------------------------------------===//

#include "dialects/NN/Transforms/Matching.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <limits>

using namespace mlir;

namespace bigmac::nn {
#define GEN_PASS_DEF_NNRAISELOSS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace bigmac::nn;

/// `value` without reshapes, which keep the order of elements.
static Value skipReshapes(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// The tensor that `value` is the sum of all elements of; null for none.
static Value matchSumOfAll(Value value) {
  auto sum = skipReshapes(value).getDefiningOp<ReduceSumOp>();
  if (!sum || tensorType(sum).getNumElements() != 1)
    return {};
  return sum.getInput();
}

static bool isUniformInt(Value value, int64_t &number) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat() ||
      !isa<IntegerType>(elements.getElementType()))
    return false;
  number = elements.getSplatValue<APInt>().getSExtValue();
  return true;
}

namespace {

/// labels != ignored
struct Validity {
  Value labels;
  int64_t ignored = 0;
};

/// The parts of a cross-entropy that is written out.
struct Loss {
  LogSoftmaxOp softmax;
  Value labels;                    ///< of any shape, in the order of the rows
  std::optional<Validity> ignored; ///< rows that do not count
  int64_t rows = 0;
  bool negated = false;
};

} // namespace

static std::optional<Validity> matchValidity(Value value) {
  auto compare = skipReshapes(value).getDefiningOp<arith::CmpIOp>();
  if (!compare || compare.getPredicate() != arith::CmpIPredicate::ne)
    return std::nullopt;
  Validity validity;
  validity.labels = skipReshapes(compare.getLhs());
  if (!isUniformInt(compare.getRhs(), validity.ignored))
    return std::nullopt;
  return validity;
}

static bool isSame(const Validity &a, const std::optional<Validity> &b) {
  return b && a.labels == b->labels && a.ignored == b->ignored;
}

/// What a sum adds up: the negative logarithm of the probability of each row's label, 0 for the
/// rows that are ignored.
static bool matchTerms(Value value, Loss &loss) {
  value = skipReshapes(value);
  if (auto neg = value.getDefiningOp<arith::NegFOp>()) {
    loss.negated = !loss.negated;
    return matchTerms(neg.getOperand(), loss);
  }
  if (auto select = value.getDefiningOp<arith::SelectOp>()) {
    if (loss.ignored)
      return false;
    loss.ignored = matchValidity(select.getCondition());
    return loss.ignored && uniformValue(select.getFalseValue()) == 0.0 &&
           matchTerms(select.getTrueValue(), loss);
  }
  auto gather = value.getDefiningOp<GatherElementsOp>();
  if (!gather || tensorType(gather).getShape().back() != 1)
    return false;
  loss.softmax = gather.getInput().getDefiningOp<LogSoftmaxOp>();
  // A reshape may lie between, as long as rows stay rows.
  if (!loss.softmax) {
    Value inner = skipReshapes(gather.getInput());
    auto softmax = inner.getDefiningOp<LogSoftmaxOp>();
    if (!softmax ||
        tensorType(inner).getShape().back() != tensorType(gather.getInput()).getShape().back())
      return false;
    loss.softmax = softmax;
  }
  loss.rows = tensorType(gather).getNumElements();
  loss.labels = skipReshapes(gather.getIndices());
  if (!loss.ignored)
    return true;
  // The label of an ignored row is replaced by one that can be looked up.
  auto safe = loss.labels.getDefiningOp<arith::SelectOp>();
  std::optional<Validity> validity =
      safe ? matchValidity(safe.getCondition()) : std::optional<Validity>();
  if (!validity || !isSame(*validity, loss.ignored) ||
      skipReshapes(safe.getTrueValue()) != validity->labels)
    return false;
  loss.labels = validity->labels;
  return true;
}

/// Whether `value` is the number of rows that count.
static bool isCount(Value value, const Loss &loss) {
  value = skipReshapes(value);
  if (std::optional<double> constant = uniformValue(value))
    return !loss.ignored && isAbout(value, *constant, static_cast<double>(loss.rows));
  Value ones = matchSumOfAll(value);
  auto count = ones ? skipReshapes(ones).getDefiningOp<arith::UIToFPOp>() : arith::UIToFPOp();
  if (!count)
    return false;
  std::optional<Validity> validity = matchValidity(count.getIn());
  return validity && isSame(*validity, loss.ignored);
}

static void replaceWithLoss(PatternRewriter &rewriter, Operation *op, const Loss &loss, bool sum) {
  Location loc = op->getLoc();
  Value logits = LogSoftmaxOp(loss.softmax).getInput();
  int64_t classes = tensorType(logits).getShape().back();
  Value rows = createReshape(rewriter, loc, logits, {loss.rows, classes});
  Value labels = createReshape(rewriter, loc, loss.labels, {loss.rows});
  // Without ignored rows no label may be the ignored one.
  int64_t ignored = loss.ignored ? loss.ignored->ignored : std::numeric_limits<int64_t>::min();
  auto entropy =
      CrossEntropyOp::create(rewriter, loc, rows, labels, rewriter.getI64IntegerAttr(ignored),
                             sum ? rewriter.getUnitAttr() : UnitAttr());
  Value result =
      createReshape(rewriter, loc, entropy.getLoss(), tensorType(op->getResult(0)).getShape());
  rewriter.replaceOp(op, result);
}

namespace {

bool matchMean(arith::DivFOp op, Loss &loss) {
  Value numerator = op.getLhs();
  if (auto neg = skipReshapes(numerator).getDefiningOp<arith::NegFOp>()) {
    loss.negated = !loss.negated;
    numerator = neg.getOperand();
  }
  Value terms = matchSumOfAll(numerator);
  return terms && matchTerms(terms, loss) && loss.negated && isCount(op.getRhs(), loss);
}

/// sum / count, negated before or after.
struct RaiseMean : OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::DivFOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!type || type.getNumElements() != 1)
      return failure();
    Loss loss;
    Operation *root = op;
    if (!matchMean(op, loss)) {
      // -(sum / count)
      if (!op->hasOneUse() || !isa<arith::NegFOp>(*op->user_begin()))
        return failure();
      loss = Loss();
      loss.negated = true;
      if (!matchMean(op, loss))
        return failure();
      root = *op->user_begin();
    }
    rewriter.setInsertionPoint(root);
    replaceWithLoss(rewriter, root, loss, /*sum=*/false);
    return success();
  }
};

/// A sum that is not part of a mean.
struct RaiseSum : OpRewritePattern<ReduceSumOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReduceSumOp op, PatternRewriter &rewriter) const override {
    Loss loss;
    if (tensorType(op).getNumElements() != 1 || !matchTerms(op.getInput(), loss) || !loss.negated)
      return failure();
    replaceWithLoss(rewriter, op, loss, /*sum=*/true);
    return success();
  }
};

struct RaiseLoss : bigmac::nn::impl::NNRaiseLossBase<RaiseLoss> {
  void runOnOperation() override {
    // Means first: a sum is a part of one.
    for (bool sums : {false, true}) {
      RewritePatternSet patterns(&getContext());
      if (sums)
        patterns.add<RaiseSum>(&getContext());
      else
        patterns.add<RaiseMean>(&getContext());
      if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
        return signalPassFailure();
    }
  }
};

} // namespace
