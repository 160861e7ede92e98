//===- RaiseNorms.cpp - nn-raise-norms -------------------------------------===//

#include "dialects/NN/Transforms/Matching.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace bigmac::nn {
#define GEN_PASS_DEF_NNRAISENORMS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace bigmac::nn;

namespace {

/// A tensor times one over the root of something that is the same along each row.
struct Normalized {
  Value input;   ///< what is scaled
  Spread square; ///< what the root is taken of, without epsilon
  double epsilon = 0.0;
};

} // namespace

/// sqrt(square + epsilon)
static bool matchRoot(const Spread &root, Normalized &result) {
  auto sqrt = root.value.getDefiningOp<math::SqrtOp>();
  if (!sqrt)
    return false;
  Spread sum = root.through(sqrt.getOperand());
  auto shifted = matchWithConstant<arith::AddFOp>(sum.value);
  if (!shifted || !(shifted->constant >= 0.0))
    return false;
  result.square = sum.through(shifted->value);
  result.epsilon = shifted->constant;
  return true;
}

/// 1 / sqrt(square + epsilon), or rsqrt
static bool matchReciprocalRoot(const Spread &value, Normalized &result) {
  if (auto division = value.value.getDefiningOp<arith::DivFOp>())
    return uniformValue(division.getLhs()) == 1.0 &&
           matchRoot(value.through(division.getRhs()), result);
  auto rsqrt = value.value.getDefiningOp<math::RsqrtOp>();
  if (!rsqrt)
    return false;
  Spread sum = value.through(rsqrt.getOperand());
  auto shifted = matchWithConstant<arith::AddFOp>(sum.value);
  if (!shifted || !(shifted->constant >= 0.0))
    return false;
  result.square = sum.through(shifted->value);
  result.epsilon = shifted->constant;
  return true;
}

static bool matchNormalized(Operation *op, Normalized &result) {
  auto peeled = [](Value value) {
    Spread spread = Spread::of(value);
    spread.peel();
    return spread;
  };
  if (auto division = dyn_cast<arith::DivFOp>(op)) {
    result.input = division.getLhs();
    return matchRoot(peeled(division.getRhs()), result);
  }
  auto product = dyn_cast<arith::MulFOp>(op);
  if (!product)
    return false;
  for (auto [input, factor] : {std::pair(product.getLhs(), product.getRhs()),
                               std::pair(product.getRhs(), product.getLhs())}) {
    result.input = input;
    if (matchReciprocalRoot(peeled(factor), result))
      return true;
  }
  return false;
}

/// The tensor whose rows' mean is subtracted from it to give `value`; null for none.
static Value matchCentered(Value value) {
  auto difference = value.getDefiningOp<arith::SubFOp>();
  if (!difference)
    return {};
  Spread mean = Spread::of(difference.getRhs());
  mean.peel();
  Value input = matchRowMean(mean, tensorType(value).getRank());
  return input == difference.getLhs() ? input : Value();
}

static bool isNormalizable(Operation *op) {
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  return type && type.getRank() > 0 && isa<FloatType>(type.getElementType());
}

namespace {

/// x / sqrt(mean(x^2) + epsilon) and (x - mean) / sqrt(mean((x - mean)^2) + epsilon).
template <typename OpT> struct RaiseNorm : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpT op, PatternRewriter &rewriter) const override {
    Normalized normalized;
    if (!isNormalizable(op) || !matchNormalized(op, normalized))
      return failure();
    Value input = normalized.input;
    int64_t rank = tensorType(input).getRank();
    Value squares = matchRowMean(normalized.square, rank);
    auto product = squares ? squares.getDefiningOp<arith::MulFOp>() : arith::MulFOp();
    if (!product || product.getLhs() != input || product.getRhs() != input)
      return failure();
    auto epsilon = rewriter.getF64FloatAttr(normalized.epsilon);
    if (Value whole = matchCentered(input)) {
      auto norm = LayerNormOp::create(rewriter, op.getLoc(), whole, Value(), Value(), epsilon);
      rewriter.replaceOp(op, norm.getResult());
    } else {
      auto norm = RMSNormOp::create(rewriter, op.getLoc(), input, Value(), epsilon);
      rewriter.replaceOp(op, norm.getResult());
    }
    return success();
  }
};

/// Whether nothing uses the statistics of a norm.
bool hasOnlyFirstResult(Operation *norm) {
  return llvm::all_of(norm->getResults().drop_front(),
                      [](Value statistic) { return statistic.use_empty(); });
}

/// The vector that is spread over the columns of `operand`; null for none.
Value matchVector(PatternRewriter &rewriter, Operation *op, Value operand) {
  Spread spread = Spread::of(operand);
  spread.peel();
  RankedTensorType type = tensorType(operand);
  int64_t width = type.getShape().back();
  if (!spread.isPerColumn(type.getRank(), width))
    return {};
  return createReshape(rewriter, op->getLoc(), spread.value, {width});
}

/// norm(x) * scale, where the norm has neither scale nor bias yet.
struct AddScale : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::MulFOp op, PatternRewriter &rewriter) const override {
    for (auto [result, factor] :
         {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      Operation *norm = result.getDefiningOp();
      // A constant is no scale to train, and another use needs the unscaled result.
      if (!norm || !result.hasOneUse() || !hasOnlyFirstResult(norm) || uniformValue(factor))
        continue;
      if (auto rms = dyn_cast<RMSNormOp>(norm); rms && !rms.getScale()) {
        Value scale = matchVector(rewriter, op, factor);
        if (!scale)
          continue;
        auto scaled =
            RMSNormOp::create(rewriter, op.getLoc(), rms.getInput(), scale, rms.getEpsilonAttr());
        rewriter.replaceOp(op, scaled.getResult());
        return success();
      }
      auto layer = dyn_cast<LayerNormOp>(norm);
      if (!layer || layer.getScale() || layer.getBias())
        continue;
      Value scale = matchVector(rewriter, op, factor);
      if (!scale)
        continue;
      auto scaled = LayerNormOp::create(rewriter, op.getLoc(), layer.getInput(), scale, Value(),
                                        layer.getEpsilonAttr());
      rewriter.replaceOp(op, scaled.getResult());
      return success();
    }
    return failure();
  }
};

/// layer_norm(x) + bias.
struct AddBias : OpRewritePattern<arith::AddFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::AddFOp op, PatternRewriter &rewriter) const override {
    for (auto [result, summand] :
         {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      auto norm = result.getDefiningOp<LayerNormOp>();
      if (!norm || norm.getBias() || !result.hasOneUse() || !hasOnlyFirstResult(norm) ||
          uniformValue(summand))
        continue;
      Value bias = matchVector(rewriter, op, summand);
      if (!bias)
        continue;
      auto shifted = LayerNormOp::create(rewriter, op.getLoc(), norm.getInput(), norm.getScale(),
                                         bias, norm.getEpsilonAttr());
      rewriter.replaceOp(op, shifted.getResult());
      return success();
    }
    return failure();
  }
};

struct RaiseNorms : bigmac::nn::impl::NNRaiseNormsBase<RaiseNorms> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<RaiseNorm<arith::MulFOp>, RaiseNorm<arith::DivFOp>, AddScale, AddBias>(
        &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
