//===- NNActivation.cpp - Activations to linalg ----------------------------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Transforms/DialectConversion.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

SmallVector<int64_t> iota(int64_t count) { return llvm::to_vector(llvm::seq<int64_t>(0, count)); }

/// Largest entry and sum of exponentials of each row, the latter relative to the former.
struct RowStatistics {
  Value max, sum;
};

Value rowMax(Emitter &e, Value input) {
  RankedTensorType type = typeOf(input);
  return e.max(type.getShape(), iota(type.getRank() - 1), nn::computeType(type.getElementType()),
               {{input, iota(type.getRank())}}, [](Emitter &, ValueRange args) { return args[0]; });
}

struct LowerSoftmax : OpConversionPattern<nn::SoftmaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::SoftmaxOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    Type element = nn::computeType(type.getElementType());
    SmallVector<int64_t> full = iota(type.getRank()), row = iota(type.getRank() - 1);
    Value max = rowMax(e, adaptor.getInput());
    Value exps = e.map(type.getShape(), element, {{adaptor.getInput(), full}, {max, row}},
                       [](Emitter &e, ValueRange args) { return e.exp(e.sub(args[0], args[1])); });
    Value sum = e.sum(type.getShape(), row, element, {{exps, full}},
                      [](Emitter &, ValueRange args) { return args[0]; });
    Value inverse =
        e.map(type.getShape().drop_back(), element, {{sum, row}}, [](Emitter &e, ValueRange args) {
          return e.div(e.constant(args[0].getType(), 1.0), args[0]);
        });
    rewriter.replaceOp(op,
                       e.map(type.getShape(), type.getElementType(), {{exps, full}, {inverse, row}},
                             [](Emitter &e, ValueRange args) { return e.mul(args[0], args[1]); }));
    return success();
  }
};

struct LowerLogSoftmax : OpConversionPattern<nn::LogSoftmaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::LogSoftmaxOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    Type element = nn::computeType(type.getElementType());
    SmallVector<int64_t> full = iota(type.getRank()), row = iota(type.getRank() - 1);
    Value max = rowMax(e, adaptor.getInput());
    Value sum = e.sum(type.getShape(), row, element, {{adaptor.getInput(), full}, {max, row}},
                      [](Emitter &e, ValueRange args) { return e.exp(e.sub(args[0], args[1])); });
    Value log = e.map(type.getShape().drop_back(), element, {{sum, row}},
                      [](Emitter &e, ValueRange args) { return e.log(args[0]); });
    rewriter.replaceOp(op, e.map(type.getShape(), type.getElementType(),
                                 {{adaptor.getInput(), full}, {max, row}, {log, row}},
                                 [](Emitter &e, ValueRange args) {
                                   return e.sub(e.sub(args[0], args[1]), args[2]);
                                 }));
    return success();
  }
};

struct LowerSigmoid : OpConversionPattern<nn::SigmoidOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::SigmoidOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    rewriter.replaceOp(
        op, e.map(type.getShape(), type.getElementType(),
                  {{adaptor.getInput(), iota(type.getRank())}}, [](Emitter &e, ValueRange args) {
                    Value x = args[0];
                    return e.div(e.constant(x.getType(), 1.0), e.add(e.exp(e.neg(x)), 1.0));
                  }));
    return success();
  }
};

struct LowerSilu : OpConversionPattern<nn::SiluOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::SiluOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    rewriter.replaceOp(op, e.map(type.getShape(), type.getElementType(),
                                 {{adaptor.getInput(), iota(type.getRank())}},
                                 [](Emitter &e, ValueRange args) {
                                   Value x = args[0];
                                   return e.div(x, e.add(e.exp(e.neg(x)), 1.0));
                                 }));
    return success();
  }
};

struct LowerGelu : OpConversionPattern<nn::GeluOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::GeluOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    bool useTanh = op.getTanh();
    auto body = [&](Emitter &e, ValueRange args) -> Value {
      Value x = args[0], half = e.mul(x, 0.5);
      if (!useTanh)
        return e.mul(half, e.erfc(e.mul(x, -std::sqrt(0.5))));
      double root = std::sqrt(2.0 / std::numbers::pi);
      Value inner = e.mul(e.mul(x, e.add(e.mul(e.mul(x, x), 0.044715), 1.0)), root);
      return e.mul(half, e.add(e.tanh(inner), 1.0));
    };
    rewriter.replaceOp(op, e.map(type.getShape(), type.getElementType(),
                                 {{adaptor.getInput(), iota(type.getRank())}}, body));
    return success();
  }
};

struct LowerGeluBackward : OpConversionPattern<nn::GeluBackwardOp> {
  using OpConversionPattern::OpConversionPattern;

  static Value slope(Emitter &e, Value x, bool useTanh) {
    if (!useTanh) {
      // y = x Phi(x); dy = Phi(x) + x phi(x), of z = -x / sqrt(2): erfc(z) / 2 and exp(-z^2)
      Value z = e.mul(x, -std::sqrt(0.5));
      Value gaussian = e.exp(e.neg(e.mul(z, z)));
      double norm = 1.0 / std::sqrt(2.0 * std::numbers::pi);
      return e.add(e.mul(e.erfc(z), 0.5), e.mul(e.mul(x, gaussian), norm));
    }
    Value square = e.mul(x, x);
    // y = x (1 + t) / 2, t = tanh(u), u = sqrt(2 / pi) (x + c x^3)
    double root = std::sqrt(2.0 / std::numbers::pi), c = 0.044715;
    Value t = e.tanh(e.mul(e.mul(x, e.add(e.mul(square, c), 1.0)), root));
    Value du = e.add(e.mul(square, 3 * c * root), root);
    Value tail = e.mul(e.mul(e.mul(x, 0.5), e.rsub(1.0, e.mul(t, t))), du);
    return e.add(e.add(e.mul(t, 0.5), 0.5), tail);
  }

  LogicalResult matchAndRewrite(nn::GeluBackwardOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    SmallVector<int64_t> full = iota(type.getRank());
    rewriter.replaceOp(op, e.map(type.getShape(), type.getElementType(),
                                 {{adaptor.getInput(), full}, {adaptor.getGrad(), full}},
                                 [&](Emitter &e, ValueRange args) {
                                   return e.mul(args[1], slope(e, args[0], op.getTanh()));
                                 }));
    return success();
  }
};

} // namespace

void bigmac::populateNNActivationToLinalgPatterns(RewritePatternSet &patterns) {
  patterns
      .add<LowerSoftmax, LowerLogSoftmax, LowerSigmoid, LowerSilu, LowerGelu, LowerGeluBackward>(
          patterns.getContext());
}
