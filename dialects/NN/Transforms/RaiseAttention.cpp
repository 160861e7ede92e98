//===- RaiseAttention.cpp - nn-raise-attention -----------------------------===//

#include "dialects/NN/Transforms/AttentionMasks.h"
#include "dialects/NN/Transforms/Matching.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::nn {
#define GEN_PASS_DEF_NNRAISEATTENTION
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace bigmac::nn;

/// `value` with its last two dimensions exchanged; a transpose that it is the result of is taken
/// off or changed.
static Value swapLastTwo(PatternRewriter &rewriter, Location loc, Value value) {
  int64_t rank = tensorType(value).getRank();
  SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::swap(permutation[rank - 2], permutation[rank - 1]);
  if (auto transpose = value.getDefiningOp<TransposeOp>()) {
    for (int64_t &dim : permutation)
      dim = transpose.getPermutation()[dim];
    value = transpose.getInput();
    if (llvm::equal(permutation, llvm::seq<int64_t>(0, rank)))
      return value;
  }
  return TransposeOp::create(rewriter, loc, value, permutation);
}

/// Takes uniform factors off `value` and multiplies them into `scale`.
static Value takeScale(Value value, double &scale) {
  while (true) {
    if (auto product = matchWithConstant<arith::MulFOp>(value)) {
      scale *= product->constant;
      value = product->value;
      continue;
    }
    auto quotient = value.getDefiningOp<arith::DivFOp>();
    std::optional<double> divisor = quotient ? uniformValue(quotient.getRhs()) : std::nullopt;
    if (!divisor)
      return value;
    scale /= *divisor;
    value = quotient.getLhs();
  }
}

namespace {

/// softmax(scale * query . key^T + mask), with NaN for queries that see nothing, or with zeros.
struct Probabilities {
  MatmulOp scores;
  Value mask; ///< of the scores' shape, or null
  /// In place of a mask: scores where this is `seen`, else `low`.
  Value condition;
  bool seen = true;
  double low = 0.0;
  double scale = 1.0;
  bool guarded = false;
};

} // namespace

/// The softmax under `value`: itself or where(isnan(softmax), 0, softmax).
static SoftmaxOp matchSoftmax(Value value, bool &guarded) {
  if (auto softmax = value.getDefiningOp<SoftmaxOp>())
    return softmax.getResult().hasOneUse() ? softmax : SoftmaxOp();
  auto select = value.getDefiningOp<arith::SelectOp>();
  if (!select || !value.hasOneUse() || uniformValue(select.getTrueValue()) != 0.0)
    return {};
  auto softmax = select.getFalseValue().getDefiningOp<SoftmaxOp>();
  auto isNaN = select.getCondition().getDefiningOp<arith::CmpFOp>();
  if (!softmax || !isNaN || isNaN.getPredicate() != arith::CmpFPredicate::UNO ||
      isNaN.getLhs() != softmax.getResult() || isNaN.getRhs() != softmax.getResult())
    return {};
  for (Operation *user : softmax.getResult().getUsers())
    if (user != select && user != isNaN)
      return {};
  guarded = true;
  return softmax;
}

static std::optional<Probabilities> matchProbabilities(Value value) {
  Probabilities found;
  SoftmaxOp softmax = matchSoftmax(value, found.guarded);
  if (!softmax)
    return std::nullopt;
  auto findScores = [&](Value scaled) {
    found.scale = 1.0;
    found.scores = takeScale(scaled, found.scale).getDefiningOp<MatmulOp>();
    return static_cast<bool>(found.scores);
  };
  if (findScores(softmax.getInput()))
    return found;
  if (auto select = softmax.getInput().getDefiningOp<arith::SelectOp>()) {
    for (bool seen : {true, false}) {
      Value scaled = seen ? select.getTrueValue() : select.getFalseValue();
      std::optional<double> low =
          uniformValue(seen ? select.getFalseValue() : select.getTrueValue());
      if (!low || !(*low <= lowestScore(scaled)) || !findScores(scaled) ||
          !isa<RankedTensorType>(select.getCondition().getType()))
        continue;
      found.condition = select.getCondition();
      found.seen = seen;
      found.low = *low;
      return found;
    }
    return std::nullopt;
  }
  auto sum = softmax.getInput().getDefiningOp<arith::AddFOp>();
  if (!sum)
    return std::nullopt;
  for (auto [scaled, mask] :
       {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())})
    if (findScores(scaled)) {
      found.mask = mask;
      return found;
    }
  return std::nullopt;
}

/// 0 where the condition says so, else -inf, of the scores' shape.
static Value makeMask(PatternRewriter &rewriter, const Probabilities &found) {
  Location loc = found.condition.getLoc();
  RankedTensorType scores = tensorType(found.condition);
  Value condition = found.condition;
  if (auto broadcast = condition.getDefiningOp<BroadcastOp>())
    condition = broadcast.getInput();
  Type element = tensorType(MatmulOp(found.scores).getResult()).getElementType();
  auto type = RankedTensorType::get(tensorType(condition).getShape(), element);
  Value zero = createSplat(rewriter, loc, type, 0.0);
  Value low = createSplat(rewriter, loc, type, -std::numeric_limits<double>::infinity());
  Value mask = found.seen ? arith::SelectOp::create(rewriter, loc, condition, zero, low)
                          : arith::SelectOp::create(rewriter, loc, condition, low, zero);
  return createBroadcast(rewriter, loc, mask, scores.getShape());
}

namespace {

struct Raise : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    int64_t rank = tensorType(op.getLhs()).getRank();
    if (op.getTransposeLhs() || (rank != 3 && rank != 4) ||
        tensorType(op.getRhs()).getRank() != rank)
      return failure();
    std::optional<Probabilities> found = matchProbabilities(op.getLhs());
    if (!found || tensorType(found->scores.getRhs()).getRank() != rank)
      return failure();
    if (found->mask) {
      if (dependsOnTrained(found->mask))
        return rewriter.notifyMatchFailure(op, "the mask is trained");
      if (!found->guarded && !hasNoBlindRow(found->mask))
        return rewriter.notifyMatchFailure(op, "a row of the mask may be -inf as a whole");
    }
    if (found->condition) {
      // With a finite number, a query that sees nothing gives the mean of all values.
      bool guarded = found->guarded && std::isinf(found->low);
      if (!guarded && !everyRowHas(found->condition, found->seen))
        return rewriter.notifyMatchFailure(op, "a query may see nothing");
    }
    Location loc = op.getLoc();
    MatmulOp scores = found->scores;
    double scale = found->scale;
    Value query = takeScale(scores.getLhs(), scale), key = takeScale(scores.getRhs(), scale);
    if (scores.getTransposeLhs())
      query = swapLastTwo(rewriter, loc, query);
    if (!scores.getTransposeRhs())
      key = swapLastTwo(rewriter, loc, key);
    Value value = op.getRhs();
    if (op.getTransposeRhs())
      value = swapLastTwo(rewriter, loc, value);
    // Where the scale is the usual one up to the rounding of its factors it is that one.
    double usual = 1.0 / std::sqrt(static_cast<double>(tensorType(query).getShape().back()));
    if (std::abs(scale - usual) < 4e-7 * usual)
      scale = usual;
    auto asHeads = [&](Value tensor) {
      ArrayRef<int64_t> shape = tensorType(tensor).getShape();
      if (rank == 4)
        return tensor;
      return createReshape(rewriter, loc, tensor, {shape[0], 1, shape[1], shape[2]});
    };
    Value mask = found->condition ? makeMask(rewriter, *found) : found->mask;
    mask = mask ? asHeads(mask) : Value();
    auto attention =
        AttentionOp::create(rewriter, loc, asHeads(query), asHeads(key), asHeads(value), mask,
                            rewriter.getF64FloatAttr(scale), UnitAttr());
    Value result =
        createReshape(rewriter, loc, attention.getResult(), tensorType(op.getResult()).getShape());
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// expand(transpose(collapse(x))) -> transpose(expand(collapse(x))), so that the two reshapes meet:
/// exporters transpose keys in three dimensions.
struct SinkTranspose : OpRewritePattern<tensor::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::ExpandShapeOp op,
                                PatternRewriter &rewriter) const override {
    auto transpose = op.getSrc().getDefiningOp<TransposeOp>();
    if (!transpose || !transpose.getInput().getDefiningOp<tensor::CollapseShapeOp>())
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    SmallVector<ReassociationIndices> groups = op.getReassociationIndices();
    if (groups.size() != permutation.size())
      return failure();
    // Dimension permutation[i] of the input becomes group i of the result.
    SmallVector<int64_t> shape, first(permutation.size());
    for (size_t dim = 0; dim < permutation.size(); ++dim) {
      size_t group = llvm::find(permutation, static_cast<int64_t>(dim)) - permutation.begin();
      first[dim] = static_cast<int64_t>(shape.size());
      for (int64_t part : groups[group])
        shape.push_back(tensorType(op.getResult()).getDimSize(part));
    }
    SmallVector<int64_t> expanded;
    for (auto [group, dim] : llvm::zip_equal(groups, permutation))
      for (size_t part = 0; part < group.size(); ++part)
        expanded.push_back(first[dim] + static_cast<int64_t>(part));
    Value input = createReshape(rewriter, op.getLoc(), transpose.getInput(), shape);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, input, expanded);
    return success();
  }
};

struct RaiseAttention : bigmac::nn::impl::NNRaiseAttentionBase<RaiseAttention> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    auto apply = [&](llvm::function_ref<void(RewritePatternSet &)> populate) {
      RewritePatternSet patterns(context);
      populate(patterns);
      return succeeded(applyPatternsGreedily(getOperation(), std::move(patterns)));
    };
    bool applied = apply([&](RewritePatternSet &patterns) {
      patterns.add<SinkTranspose>(context);
      tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, context);
      tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, context);
    });
    applied = applied && apply([&](RewritePatternSet &patterns) { patterns.add<Raise>(context); });
    applied = applied && apply(populateSimplifyAttentionPatterns);
    if (!applied)
      signalPassFailure();
  }
};

} // namespace
