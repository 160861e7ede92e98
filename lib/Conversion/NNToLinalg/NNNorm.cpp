//===- NNNorm.cpp - Normalization to linalg --------------------------------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

/// The iteration space of an op on rows, and accesses to its operands.
struct Rows {
  explicit Rows(RankedTensorType type)
      : shape(type.getShape()), element(type.getElementType()), columns(shape.back()),
        full(llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()))),
        row(llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1))),
        column({type.getRank() - 1}) {}

  using Scalar = llvm::function_ref<Value(Emitter &, ValueRange)>;
  Value sum(Emitter &e, ArrayRef<Access> inputs, Scalar body) const {
    return e.sum(shape, row, element, inputs, body);
  }
  Value mapAll(Emitter &e, ArrayRef<Access> inputs, Scalar body) const {
    return e.map(shape, element, inputs, body);
  }
  Value mapRows(Emitter &e, ArrayRef<Access> inputs, Scalar body) const {
    return e.map(shape.drop_back(), element, inputs, body);
  }

  ArrayRef<int64_t> shape;
  Type element;
  double columns;
  SmallVector<int64_t> full, row, column;
};

/// 1 / sqrt(sum / columns + epsilon)
Value emitRstd(Emitter &e, const Rows &rows, Value squares, double epsilon) {
  return rows.mapRows(e, {{squares, rows.row}}, [&](Emitter &e, ValueRange args) {
    return e.rsqrt(e.add(e.mul(args[0], 1.0 / rows.columns), epsilon));
  });
}

Value emitMean(Emitter &e, const Rows &rows, Value sum) {
  return rows.mapRows(e, {{sum, rows.row}}, [&](Emitter &e, ValueRange args) {
    return e.mul(args[0], 1.0 / rows.columns);
  });
}

struct LowerLayerNorm : OpConversionPattern<nn::LayerNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::LayerNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    Rows rows(op.getInput().getType());
    Access x = {adaptor.getInput(), rows.full};
    Value mean =
        emitMean(e, rows, rows.sum(e, {x}, [](Emitter &, ValueRange args) { return args[0]; }));
    // Two passes: the difference of squares would cancel.
    Value squares = rows.sum(e, {x, {mean, rows.row}}, [](Emitter &e, ValueRange args) {
      Value centred = e.sub(args[0], args[1]);
      return e.mul(centred, centred);
    });
    Value rstd = emitRstd(e, rows, squares, op.getEpsilon().convertToDouble());
    SmallVector<Access> inputs = {x, {mean, rows.row}, {rstd, rows.row}};
    bool hasScale = !!adaptor.getScale(), hasBias = !!adaptor.getBias();
    if (hasScale)
      inputs.push_back({adaptor.getScale(), rows.column});
    if (hasBias)
      inputs.push_back({adaptor.getBias(), rows.column});
    Value result = rows.mapAll(e, inputs, [&](Emitter &e, ValueRange args) {
      Value value = e.mul(e.sub(args[0], args[1]), args[2]);
      if (hasScale)
        value = e.mul(value, args[3]);
      return hasBias ? e.add(value, args.back()) : value;
    });
    rewriter.replaceOp(op, {result, mean, rstd});
    return success();
  }
};

struct LowerLayerNormBackward : OpConversionPattern<nn::LayerNormBackwardOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::LayerNormBackwardOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    Rows rows(op.getInput().getType());
    bool hasScale = !!adaptor.getScale();
    SmallVector<Access> inputs = {{adaptor.getGrad(), rows.full},
                                  {adaptor.getInput(), rows.full},
                                  {adaptor.getMean(), rows.row},
                                  {adaptor.getRstd(), rows.row}};
    if (hasScale)
      inputs.push_back({adaptor.getScale(), rows.column});
    auto scaled = [&](Emitter &e, ValueRange args) {
      return hasScale ? e.mul(args[0], args[4]) : args[0];
    };
    auto normal = [](Emitter &e, ValueRange args) {
      return e.mul(e.sub(args[1], args[2]), args[3]);
    };
    Value meanGrad = emitMean(e, rows, rows.sum(e, inputs, scaled));
    Value meanProduct = emitMean(e, rows, rows.sum(e, inputs, [&](Emitter &e, ValueRange args) {
      return e.mul(scaled(e, args), normal(e, args));
    }));
    inputs.push_back({meanGrad, rows.row});
    inputs.push_back({meanProduct, rows.row});
    rewriter.replaceOp(op, rows.mapAll(e, inputs, [&](Emitter &e, ValueRange args) {
      Value a = args[args.size() - 2], b = args[args.size() - 1];
      Value centred = e.sub(e.sub(scaled(e, args), a), e.mul(normal(e, args), b));
      return e.mul(args[3], centred);
    }));
    return success();
  }
};

struct LowerRMSNorm : OpConversionPattern<nn::RMSNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::RMSNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    Rows rows(op.getInput().getType());
    Access x = {adaptor.getInput(), rows.full};
    Value squares =
        rows.sum(e, {x}, [](Emitter &e, ValueRange args) { return e.mul(args[0], args[0]); });
    Value rstd = emitRstd(e, rows, squares, op.getEpsilon().convertToDouble());
    SmallVector<Access> inputs = {x, {rstd, rows.row}};
    if (adaptor.getScale())
      inputs.push_back({adaptor.getScale(), rows.column});
    Value result = rows.mapAll(e, inputs, [](Emitter &e, ValueRange args) {
      Value value = e.mul(args[0], args[1]);
      return args.size() > 2 ? e.mul(value, args[2]) : value;
    });
    rewriter.replaceOp(op, {result, rstd});
    return success();
  }
};

struct LowerRMSNormBackward : OpConversionPattern<nn::RMSNormBackwardOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::RMSNormBackwardOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    Rows rows(op.getInput().getType());
    SmallVector<Access> inputs = {{adaptor.getGrad(), rows.full}, {adaptor.getInput(), rows.full}};
    bool hasScale = !!adaptor.getScale();
    if (hasScale)
      inputs.push_back({adaptor.getScale(), rows.column});
    auto scaled = [&](Emitter &e, ValueRange args) {
      return hasScale ? e.mul(args[0], args[2]) : args[0];
    };
    Value dot = rows.sum(
        e, inputs, [&](Emitter &e, ValueRange args) { return e.mul(scaled(e, args), args[1]); });
    // rstd^3 * mean(g * input): what each input entry is weighted with.
    Value weight = rows.mapRows(e, {{dot, rows.row}, {adaptor.getRstd(), rows.row}},
                                [&](Emitter &e, ValueRange args) {
                                  Value cube = e.mul(e.mul(args[1], args[1]), args[1]);
                                  return e.mul(e.mul(args[0], 1.0 / rows.columns), cube);
                                });
    inputs.push_back({adaptor.getRstd(), rows.row});
    inputs.push_back({weight, rows.row});
    rewriter.replaceOp(op, rows.mapAll(e, inputs, [&](Emitter &e, ValueRange args) {
      Value rstd = args[args.size() - 2], weight = args[args.size() - 1];
      return e.sub(e.mul(scaled(e, args), rstd), e.mul(args[1], weight));
    }));
    return success();
  }
};

} // namespace

void bigmac::populateNNNormToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerLayerNorm, LowerLayerNormBackward, LowerRMSNorm, LowerRMSNormBackward>(
      patterns.getContext());
}
