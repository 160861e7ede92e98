//===- RaiseActivations.cpp - nn-raise-activations -------------------------===//

#include "dialects/NN/Transforms/Matching.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <numbers>

using namespace mlir;

namespace bigmac::nn {
#define GEN_PASS_DEF_NNRAISEACTIVATIONS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace bigmac::nn;

/// Takes one `value` out of `factors`; false where there is none.
static bool takeFactor(Factors &factors, Value value) {
  auto it = llvm::find(factors.values, value);
  if (it == factors.values.end())
    return false;
  factors.values.erase(it);
  return true;
}

/// The operand x of 1 / (1 + exp(-x)); null for none.
static Value matchSigmoid(Value value) {
  if (auto sigmoid = value.getDefiningOp<SigmoidOp>())
    return sigmoid.getInput();
  auto division = value.getDefiningOp<arith::DivFOp>();
  if (!division || uniformValue(division.getLhs()) != 1.0)
    return {};
  auto sum = matchWithConstant<arith::AddFOp>(division.getRhs());
  if (!sum || sum->constant != 1.0)
    return {};
  auto exp = sum->value.getDefiningOp<math::ExpOp>();
  auto neg = exp ? exp.getOperand().getDefiningOp<arith::NegFOp>() : arith::NegFOp();
  return neg ? neg.getOperand() : Value();
}

/// Whether `value` is x / sqrt(2).
static bool isOverRootTwo(Value value, Value x) {
  if (auto division = value.getDefiningOp<arith::DivFOp>())
    return division.getLhs() == x && isUniform(division.getRhs(), std::numbers::sqrt2);
  auto product = matchWithConstant<arith::MulFOp>(value);
  return product && product->value == x &&
         isAbout(value, product->constant, 1.0 / std::numbers::sqrt2);
}

/// Whether `value` is sqrt(2 / pi) * (x + 0.044715 * x^3), in one of the ways to write it.
static bool isTanhArgument(Value value, Value x) {
  constexpr double kCubic = 0.044715;
  const double kOuter = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  Factors factors = factorsOf(value);
  if (!isAbout(value, factors.constant, kOuter) || factors.values.empty())
    return false;
  // x * (1 + 0.044715 * x * x)
  bool factored = takeFactor(factors, x);
  if (factors.values.size() != 1)
    return false;
  auto sum = factors.values.front().getDefiningOp<arith::AddFOp>();
  if (!sum)
    return false;
  for (auto [one, power] :
       {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())}) {
    if (factored ? uniformValue(one) != 1.0 : one != x)
      continue;
    Factors cubic = factorsOf(power);
    bool enough = takeFactor(cubic, x) && takeFactor(cubic, x) &&
                  (factored || takeFactor(cubic, x)) && cubic.values.empty();
    if (enough && isAbout(value, cubic.constant, kCubic))
      return true;
  }
  return false;
}

namespace {

/// x * sigmoid(x)
struct RaiseSilu : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::MulFOp op, PatternRewriter &rewriter) const override {
    if (!isa<RankedTensorType>(op.getType()) ||
        (matchSigmoid(op.getRhs()) != op.getLhs() && matchSigmoid(op.getLhs()) != op.getRhs()))
      return failure();
    Value x = matchSigmoid(op.getRhs()) == op.getLhs() ? op.getLhs() : op.getRhs();
    rewriter.replaceOpWithNewOp<SiluOp>(op, x);
    return success();
  }
};

/// x / (1 + exp(-x))
struct RaiseSiluQuotient : OpRewritePattern<arith::DivFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::DivFOp op, PatternRewriter &rewriter) const override {
    auto sum = matchWithConstant<arith::AddFOp>(op.getRhs());
    if (!isa<RankedTensorType>(op.getType()) || !sum || sum->constant != 1.0)
      return failure();
    auto exp = sum->value.getDefiningOp<math::ExpOp>();
    auto neg = exp ? exp.getOperand().getDefiningOp<arith::NegFOp>() : arith::NegFOp();
    if (!neg)
      return failure();
    if (neg.getOperand() == op.getLhs())
      rewriter.replaceOpWithNewOp<SiluOp>(op, op.getLhs());
    else if (uniformValue(op.getLhs()) == 1.0)
      rewriter.replaceOpWithNewOp<SigmoidOp>(op, neg.getOperand());
    else
      return failure();
    return success();
  }
};

/// 0.5 * x * (1 + erf(x / sqrt(2))) and 0.5 * x * (1 + tanh(...)), multiplied in any order.
struct RaiseGelu : OpRewritePattern<arith::MulFOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(arith::MulFOp op, PatternRewriter &rewriter) const override {
    if (!isa<RankedTensorType>(op.getType()))
      return failure();
    Factors factors = factorsOf(op);
    if (factors.constant != 0.5 || factors.values.size() != 2)
      return failure();
    for (auto [x, curve] : {std::pair(factors.values[0], factors.values[1]),
                            std::pair(factors.values[1], factors.values[0])}) {
      auto sum = matchWithConstant<arith::AddFOp>(curve);
      if (!sum || sum->constant != 1.0)
        continue;
      if (auto erf = sum->value.getDefiningOp<math::ErfOp>();
          erf && isOverRootTwo(erf.getOperand(), x)) {
        rewriter.replaceOpWithNewOp<GeluOp>(op, x, /*tanh=*/false);
        return success();
      }
      if (auto tanh = sum->value.getDefiningOp<math::TanhOp>();
          tanh && isTanhArgument(tanh.getOperand(), x)) {
        rewriter.replaceOpWithNewOp<GeluOp>(op, x, /*tanh=*/true);
        return success();
      }
    }
    return failure();
  }
};

struct RaiseActivations : bigmac::nn::impl::NNRaiseActivationsBase<RaiseActivations> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<RaiseGelu, RaiseSilu, RaiseSiluQuotient>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
