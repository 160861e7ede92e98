//===- NNLoss.cpp - Losses to linalg ---------------------------------------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

/// Whether row i counts: its label is not `ignoreIndex`.
Value labelCounts(Emitter &e, Value label, int64_t ignoreIndex) {
  Value ignored = arith::ConstantOp::create(
      e.builder, e.loc,
      e.builder.getIntegerAttr(
          label.getType(),
          APInt(64, ignoreIndex, true).sextOrTrunc(label.getType().getIntOrFloatBitWidth())));
  return arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::ne, label, ignored);
}

/// `branch(e)` where `condition`, else `otherwise`.
SmallVector<Value> when(Emitter &e, Value condition, ValueRange otherwise,
                        llvm::function_ref<SmallVector<Value>(Emitter &)> branch) {
  auto op = scf::IfOp::create(
      e.builder, e.loc, condition,
      [&](OpBuilder &nested, Location loc) {
        Emitter inner(nested, loc);
        scf::YieldOp::create(nested, loc, branch(inner));
      },
      [&](OpBuilder &nested, Location loc) { scf::YieldOp::create(nested, loc, otherwise); });
  return SmallVector<Value>(op->getResults());
}

/// A label that no value of its type can equal is never ignored.
bool fits(int64_t value, Type type) {
  return APInt(64, value, true).isSignedIntN(type.getIntOrFloatBitWidth());
}

Value scalarTensor(Emitter &e, Value scalar) { return e.filled({}, scalar); }

struct LowerCrossEntropy : OpConversionPattern<nn::CrossEntropyOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::CrossEntropyOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getLogits().getType();
    Type element = nn::computeType(type.getElementType());
    int64_t rows = type.getDimSize(0), classes = type.getDimSize(1);
    Access logits = {adaptor.getLogits(), {0, 1}};
    Value max = e.max(type.getShape(), {0}, element, {logits},
                      [](Emitter &, ValueRange args) { return args[0]; });
    Value sum = e.sum(type.getShape(), {0}, element, {logits, {max, {0}}},
                      [](Emitter &e, ValueRange args) { return e.exp(e.sub(args[0], args[1])); });
    Value lse = e.map({rows}, element, {{sum, {0}}, {max, {0}}},
                      [](Emitter &e, ValueRange args) { return e.add(e.log(args[0]), args[1]); });
    // Rows are few beside their entries: their losses are summed one by one, in f64.
    Type f64 = rewriter.getF64Type();
    Value labels = adaptor.getLabels();
    Value zero = e.constant(f64, 0.0);
    SmallVector<Value> totals = e.loop(
        rows, {zero, zero}, [&](Emitter &e, Value i, ValueRange carried) -> SmallVector<Value> {
          Value label = tensor::ExtractOp::create(e.builder, e.loc, labels, i);
          auto counted = [&](Emitter &e) -> SmallVector<Value> {
            Value position = e.checkedIndex(label, classes, /*wrap=*/false);
            Value logit =
                tensor::ExtractOp::create(e.builder, e.loc, logits.tensor, ValueRange{i, position});
            Value row = tensor::ExtractOp::create(e.builder, e.loc, lse, i);
            Value loss = e.sub(row, e.widen(logit));
            if (element != f64)
              loss = arith::ExtFOp::create(e.builder, e.loc, f64, loss);
            return {e.add(carried[0], loss), e.add(carried[1], 1.0)};
          };
          if (!fits(op.getIgnoreIndex(), label.getType()))
            return counted(e);
          return when(e, labelCounts(e, label, op.getIgnoreIndex()), carried, counted);
        });
    Value loss = op.getSum() ? totals[0] : e.div(totals[0], totals[1]);
    if (element != f64)
      loss = arith::TruncFOp::create(rewriter, op.getLoc(), element, loss);
    rewriter.replaceOp(op, {scalarTensor(e, loss), lse});
    return success();
  }
};

struct LowerCrossEntropyBackward : OpConversionPattern<nn::CrossEntropyBackwardOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::CrossEntropyBackwardOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getLogits().getType();
    Type element = nn::computeType(type.getElementType());
    int64_t rows = type.getDimSize(0);
    Value labels = adaptor.getLabels();
    Type labelType = typeOf(labels).getElementType();
    bool canIgnore = fits(op.getIgnoreIndex(), labelType);
    Value grad = tensor::ExtractOp::create(rewriter, op.getLoc(), adaptor.getGrad(), ValueRange());
    if (!op.getSum()) {
      Value count = e.constant(element, static_cast<double>(rows));
      if (canIgnore)
        count = e.loop(rows, e.constant(element, 0.0),
                       [&](Emitter &e, Value i, ValueRange carried) -> SmallVector<Value> {
                         Value label = tensor::ExtractOp::create(e.builder, e.loc, labels, i);
                         Value one = e.constant(element, 1.0), none = e.constant(element, 0.0);
                         Value step =
                             e.select(labelCounts(e, label, op.getIgnoreIndex()), one, none);
                         return {e.add(carried[0], step)};
                       })[0];
      grad = e.div(grad, count);
    }
    // The weight of a row: the loss's cotangent, or 0 where the label is ignored.
    Value zero = e.constant(element, 0.0);
    Value weight = e.map({rows}, element, {{labels, {0}}}, [&](Emitter &e, ValueRange args) {
      return canIgnore ? e.select(labelCounts(e, args[0], op.getIgnoreIndex()), grad, zero) : grad;
    });
    // 32 bits keep the comparison as wide as the entries. Ignored rows have no class.
    Type i32 = rewriter.getI32Type();
    int64_t classes = type.getDimSize(1);
    Value none = arith::ConstantIntOp::create(rewriter, op.getLoc(), -1, 32);
    Value label =
        e.loop(rows, e.filled({rows}, none),
               [&](Emitter &e, Value i, ValueRange carried) -> SmallVector<Value> {
                 Value given = tensor::ExtractOp::create(e.builder, e.loc, labels, i);
                 auto counted = [&](Emitter &e) -> SmallVector<Value> {
                   return {arith::IndexCastOp::create(
                       e.builder, e.loc, i32, e.checkedIndex(given, classes, /*wrap=*/false))};
                 };
                 // Branches give numbers: a tensor chosen between two would need a copy.
                 Value position = canIgnore ? when(e, labelCounts(e, given, op.getIgnoreIndex()),
                                                   none, counted)[0]
                                            : counted(e)[0];
                 return {tensor::InsertOp::create(e.builder, e.loc, position, carried[0], i)};
               })[0];
    Value result = e.map(
        type.getShape(), type.getElementType(),
        {{adaptor.getLogits(), {0, 1}}, {adaptor.getLogsumexp(), {0}}, {weight, {0}}, {label, {0}}},
        [&](Emitter &e, ValueRange args) {
          Value column = arith::IndexCastOp::create(e.builder, e.loc, i32,
                                                    linalg::IndexOp::create(e.builder, e.loc, 1));
          Value isLabel =
              arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::eq, column, args[3]);
          Value hit = e.select(isLabel, e.constant(element, 1.0), e.constant(element, 0.0));
          return e.mul(e.sub(e.exp(e.sub(args[0], args[1])), hit), args[2]);
        });
    rewriter.replaceOp(op, result);
    return success();
  }
};

} // namespace

void bigmac::populateNNLossToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerCrossEntropy, LowerCrossEntropyBackward>(patterns.getContext());
}
