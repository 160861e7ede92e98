//===- NNReduce.cpp - Reductions to linalg ---------------------------------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Transforms/DialectConversion.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

SmallVector<int64_t> keptDims(int64_t rank, ArrayRef<int64_t> reduced) {
  SmallVector<int64_t> kept;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(reduced, i))
      kept.push_back(i);
  return kept;
}

SmallVector<int64_t> allDims(int64_t rank) { return llvm::to_vector(llvm::seq<int64_t>(0, rank)); }

Value identity(Emitter &, ValueRange args) { return args[0]; }

struct LowerReduceSum : OpConversionPattern<nn::ReduceSumOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::ReduceSumOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getInput().getType();
    rewriter.replaceOp(op, e.sum(type.getShape(), keptDims(type.getRank(), op.getDims()),
                                 type.getElementType(),
                                 {{adaptor.getInput(), allDims(type.getRank())}}, identity));
    return success();
  }
};

struct LowerReduceMax : OpConversionPattern<nn::ReduceMaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::ReduceMaxOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getInput().getType();
    rewriter.replaceOp(op, e.max(type.getShape(), keptDims(type.getRank(), op.getDims()),
                                 type.getElementType(),
                                 {{adaptor.getInput(), allDims(type.getRank())}}, identity));
    return success();
  }
};

struct LowerArgMax : OpConversionPattern<nn::ArgMaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::ArgMaxOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getInput().getType();
    Type element = type.getElementType(), i64 = rewriter.getI64Type();
    int64_t last = type.getRank() - 1;
    bool isFloat = isa<FloatType>(element);
    SmallVector<int64_t> rows = allDims(last);
    ArrayRef<int64_t> rowShape = type.getShape().drop_back();
    // Index 0 stands until something is greater, so the initial best never needs an index itself.
    Value best;
    if (isFloat) {
      best = e.filled(rowShape, element, -std::numeric_limits<double>::infinity());
    } else {
      unsigned width = element.getIntOrFloatBitWidth();
      APInt least = width == 1 ? APInt(1, 0) : APInt::getSignedMinValue(width);
      best = e.filled(rowShape, arith::ConstantOp::create(rewriter, op.getLoc(),
                                                          rewriter.getIntegerAttr(element, least)));
    }
    Value position = e.filled(rowShape, i64, 0);
    auto results = e.generic(
        type.getRank(), {{adaptor.getInput(), allDims(last + 1)}}, {{best, rows}, {position, rows}},
        [&](Emitter &e, ValueRange args) -> SmallVector<Value> {
          Value x = args[0], best = args[1];
          OpBuilder &b = e.builder;
          Value better;
          if (isFloat) {
            // The first NaN counts as the greatest.
            Value greater = arith::CmpFOp::create(b, e.loc, arith::CmpFPredicate::UGT, x, best);
            Value settled = arith::CmpFOp::create(b, e.loc, arith::CmpFPredicate::UNO, best, best);
            Value open = arith::XOrIOp::create(b, e.loc, settled,
                                               arith::ConstantIntOp::create(b, e.loc, 1, 1));
            better = arith::AndIOp::create(b, e.loc, greater, open);
          } else {
            auto predicate =
                element.isInteger(1) ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt;
            better = arith::CmpIOp::create(b, e.loc, predicate, x, best);
          }
          Value here =
              arith::IndexCastOp::create(b, e.loc, i64, linalg::IndexOp::create(b, e.loc, last));
          return {e.select(better, x, best), e.select(better, here, args[2])};
        });
    rewriter.replaceOp(op, results[1]);
    return success();
  }
};

} // namespace

void bigmac::populateNNReduceToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerReduceSum, LowerReduceMax, LowerArgMax>(patterns.getContext());
}
