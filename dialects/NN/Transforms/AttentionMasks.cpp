//===- AttentionMasks.cpp - What is known of an additive mask --------------===//

#include "dialects/NN/Transforms/AttentionMasks.h"

#include "dialects/NN/Transforms/FoldConstants.h"
#include "dialects/NN/Transforms/Matching.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseSet.h"

#include <cmath>

using namespace mlir;
using namespace bigmac::nn;

static constexpr int64_t kMaxMaskBytes = int64_t(256) << 20;

bool bigmac::nn::dependsOnTrained(Value value) {
  SmallVector<Value> open = {value};
  llvm::DenseSet<Value> seen;
  while (!open.empty()) {
    Value next = open.pop_back_val();
    Operation *op = next.getDefiningOp();
    // No gradient flows through integers and booleans.
    if (!op || !isa<FloatType>(getElementTypeOrSelf(next.getType())) || !seen.insert(next).second)
      continue;
    if (auto get = dyn_cast<GetParameterOp>(op)) {
      auto parameter =
          SymbolTable::lookupNearestSymbolFrom<ParameterOp>(op, get.getParameterAttr());
      if (!parameter || parameter.getTrained())
        return true;
    }
    llvm::append_range(open, op->getOperands());
  }
  return false;
}

/// The elements of a float constant as doubles, or nothing.
static std::optional<SmallVector<double, 0>> readFloats(Attribute attribute) {
  auto elements = dyn_cast_or_null<DenseElementsAttr>(attribute);
  if (!elements || !isa<FloatType>(elements.getElementType()) ||
      elements.getNumElements() > kMaxMaskBytes / 4)
    return std::nullopt;
  SmallVector<double, 0> values;
  values.reserve(elements.getNumElements());
  if (elements.getElementType().isF32()) {
    for (float value : elements.getValues<float>())
      values.push_back(value);
    return values;
  }
  for (APFloat value : elements.getValues<APFloat>()) {
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    values.push_back(value.convertToDouble());
  }
  return values;
}

static bool isMinusInfinity(double value) { return std::isinf(value) && value < 0; }

/// Whether no element of a float value can be -inf, from how it is computed.
static bool isNeverMinusInfinity(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<BroadcastOp, TransposeOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp,
            tensor::ExtractSliceOp>(op)) {
      value = op->getOperand(0);
      continue;
    }
    if (isa<arith::SIToFPOp, arith::UIToFPOp>(op))
      return true;
    if (auto select = dyn_cast<arith::SelectOp>(op))
      return isNeverMinusInfinity(select.getTrueValue()) &&
             isNeverMinusInfinity(select.getFalseValue());
    // The product of a finite constant that leaves room and a flag: (1 - mask) * lowest.
    if (auto product = matchWithConstant<arith::MulFOp>(value)) {
      auto difference = product->value.getDefiningOp<arith::SubFOp>();
      Operation *flag = difference ? difference.getRhs().getDefiningOp() : nullptr;
      return flag && uniformValue(difference.getLhs()) == 1.0 && isa<arith::UIToFPOp>(flag) &&
             getElementTypeOrSelf(flag->getOperand(0).getType()).isInteger(1) &&
             std::isfinite(product->constant);
    }
    Attribute constant;
    if (!matchPattern(value, m_Constant(&constant)))
      return false;
    auto floats = readFloats(constant);
    return floats && llvm::none_of(*floats, isMinusInfinity);
  }
  return false;
}

/// `value` before it was broadcast in any dimension but the last: its rows are those of `value`.
static Value peelRows(Value value) {
  while (auto broadcast = value.getDefiningOp<BroadcastOp>()) {
    RankedTensorType type = tensorType(broadcast.getInput());
    if (type.getRank() == 0 || type.getShape().back() != tensorType(value).getShape().back())
      break;
    value = broadcast.getInput();
  }
  return value;
}

bool bigmac::nn::everyRowHas(Value booleans, bool value) {
  booleans = peelRows(booleans);
  auto elements = dyn_cast_or_null<DenseElementsAttr>(constantValueOf(booleans, kMaxMaskBytes));
  if (!elements || !elements.getElementType().isInteger(1))
    return false;
  int64_t width = tensorType(booleans).getShape().back(), position = 0;
  bool found = false, all = width != 0;
  for (bool element : elements.getValues<bool>()) {
    found = found || element == value;
    if (++position % width)
      continue;
    all = all && found;
    found = false;
  }
  return all;
}

double bigmac::nn::lowestScore(Value like) {
  return tensorType(like).getElementType().isF16() ? -6e4 : -1e30;
}

bool bigmac::nn::hasNoBlindRow(Value mask) {
  if (isNeverMinusInfinity(mask))
    return true;
  mask = peelRows(mask);
  auto values = readFloats(constantValueOf(mask, kMaxMaskBytes));
  if (!values)
    return false;
  size_t width = static_cast<size_t>(tensorType(mask).getShape().back());
  for (size_t row = 0; width && row < values->size(); row += width)
    if (llvm::all_of(ArrayRef<double>(*values).slice(row, width), isMinusInfinity))
      return false;
  return width != 0;
}

//===----------------------------------------------------------------------===//
// Constant masks
//===----------------------------------------------------------------------===//

namespace {

/// What a constant mask [batch, heads, queries, keys] says.
struct ConstantMask {
  SmallVector<double, 0> values;
  SmallVector<int64_t, 4> shape;

  bool isZero() const {
    return llvm::all_of(values, [](double value) { return value == 0.0; });
  }

  /// Keeps the first entry of a dimension whose entries are all the same.
  bool shrink(int64_t dim) {
    int64_t size = shape[dim], inner = 1, outer = 1;
    for (int64_t i = 0; i < 4; ++i)
      (i < dim ? outer : i > dim ? inner : size) *= i == dim ? 1 : shape[i];
    if (size <= 1)
      return false;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = inner; i < size * inner; ++i)
        if (values[o * size * inner + i] != values[o * size * inner + i - inner])
          return false;
    SmallVector<double, 0> kept;
    for (int64_t o = 0; o < outer; ++o)
      kept.append(values.begin() + o * size * inner, values.begin() + o * size * inner + inner);
    values = std::move(kept);
    shape[dim] = 1;
    return true;
  }

  /// 0 where key j is at most query i + keys - queries, and else so low that a score plus it has
  /// no weight next to a score alone.
  bool isCausal(int64_t queries, double low) const {
    int64_t keys = shape[3];
    if (shape[0] != 1 || shape[1] != 1 || shape[2] != queries || keys < queries)
      return false;
    for (int64_t i = 0; i < queries; ++i)
      for (int64_t j = 0; j < keys; ++j) {
        double value = values[i * keys + j];
        if (j <= i + keys - queries ? value != 0.0 : !(value <= low))
          return false;
      }
    return true;
  }
};

} // namespace

static AttentionOp createLike(PatternRewriter &rewriter, AttentionOp op, Value key, Value value,
                              Value mask, bool causal) {
  return AttentionOp::create(rewriter, op.getLoc(), op.getQuery(), key, value, mask,
                             op.getScaleAttr(), causal ? rewriter.getUnitAttr() : UnitAttr());
}

namespace {

struct SimplifyMask : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    Value mask = op.getMask();
    if (!mask)
      return failure();
    // A broadcast but for the keys is what the op does itself.
    if (auto broadcast = mask.getDefiningOp<BroadcastOp>()) {
      RankedTensorType type = tensorType(broadcast.getInput());
      if (type.getRank() > 0 && type.getShape().back() == tensorType(mask).getShape().back()) {
        SmallVector<int64_t> shape(4 - type.getRank(), 1);
        llvm::append_range(shape, type.getShape());
        Value small = createReshape(rewriter, op.getLoc(), broadcast.getInput(), shape);
        rewriter.replaceOp(
            op, createLike(rewriter, op, op.getKey(), op.getValue(), small, op.getCausal()));
        return success();
      }
    }
    auto values = readFloats(constantValueOf(mask, kMaxMaskBytes));
    if (!values)
      return failure();
    ConstantMask constant{std::move(*values), llvm::to_vector<4>(tensorType(mask).getShape())};
    bool shrunk = false;
    for (int64_t dim = 0; dim < 3; ++dim)
      shrunk |= constant.shrink(dim);
    int64_t queries = tensorType(op.getQuery()).getDimSize(2);
    bool isCausal = constant.isCausal(queries, lowestScore(mask));
    if (constant.isZero() || isCausal) {
      rewriter.replaceOp(op, createLike(rewriter, op, op.getKey(), op.getValue(), Value(),
                                        op.getCausal() || isCausal));
      return success();
    }
    if (!shrunk)
      return failure();
    auto element = cast<FloatType>(tensorType(mask).getElementType());
    auto type = RankedTensorType::get(constant.shape, element);
    SmallVector<APFloat> elements;
    for (double value : constant.values) {
      APFloat number(value);
      bool losesInfo;
      number.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
      elements.push_back(number);
    }
    Value small =
        arith::ConstantOp::create(rewriter, mask.getLoc(), DenseElementsAttr::get(type, elements));
    rewriter.replaceOp(op,
                       createLike(rewriter, op, op.getKey(), op.getValue(), small, op.getCausal()));
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Repeated heads
//===----------------------------------------------------------------------===//

/// [batch, heads / times, ...] where `value` [batch, heads, ...] repeats each of its heads
/// `times` > 1 times; null for none.
Value matchRepeatedHeads(PatternRewriter &rewriter, Value value, int64_t &times) {
  RankedTensorType type = tensorType(value);
  int64_t batch = type.getDimSize(0), heads = type.getDimSize(1);
  if (auto broadcast = value.getDefiningOp<BroadcastOp>()) {
    // One head for all.
    RankedTensorType input = tensorType(broadcast.getInput());
    SmallVector<int64_t> single(type.getShape());
    single[1] = 1;
    times = heads;
    return input.getShape() == ArrayRef<int64_t>(single) ? broadcast.getInput() : Value();
  }
  auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>();
  auto broadcast = collapse ? collapse.getSrc().getDefiningOp<BroadcastOp>() : BroadcastOp();
  if (!broadcast)
    return {};
  ArrayRef<int64_t> spread = tensorType(broadcast).getShape();
  if (spread.size() != 5 || spread[0] != batch || spread[1] * spread[2] != heads ||
      spread.drop_front(3) != type.getShape().drop_front(2))
    return {};
  SmallVector<int64_t> single(spread);
  single[2] = 1;
  if (tensorType(broadcast.getInput()).getShape() != ArrayRef<int64_t>(single))
    return {};
  times = spread[2];
  single.erase(single.begin() + 2);
  return createReshape(rewriter, value.getLoc(), broadcast.getInput(), single);
}

struct DropRepeatedHeads : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    int64_t keyTimes = 1, valueTimes = 1;
    Value key = matchRepeatedHeads(rewriter, op.getKey(), keyTimes);
    Value value = key ? matchRepeatedHeads(rewriter, op.getValue(), valueTimes) : Value();
    if (!value || keyTimes != valueTimes || keyTimes < 2)
      return failure();
    // Heads that are grouped already would be grouped in another order.
    if (tensorType(op.getQuery()).getDimSize(1) != tensorType(op.getKey()).getDimSize(1))
      return failure();
    rewriter.replaceOp(op, createLike(rewriter, op, key, value, op.getMask(), op.getCausal()));
    return success();
  }
};

} // namespace

void bigmac::nn::populateSimplifyAttentionPatterns(RewritePatternSet &patterns) {
  patterns.add<DropRepeatedHeads, SimplifyMask>(patterns.getContext());
}
