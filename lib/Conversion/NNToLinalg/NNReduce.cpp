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

/// The maximum of a row, then the least index that has it: two loops that vectorise, unlike one
/// that carries both.
struct LowerArgMax : OpConversionPattern<nn::ArgMaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::ArgMaxOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getInput().getType();
    Type element = type.getElementType(), i64 = rewriter.getI64Type();
    int64_t last = type.getRank() - 1, columns = type.getShape().back();
    SmallVector<int64_t> rows = allDims(last);
    ArrayRef<int64_t> rowShape = type.getShape().drop_back();
    // Narrow indices make for as many lanes as the entries have.
    Type index = columns <= std::numeric_limits<int32_t>::max() ? Type(rewriter.getI32Type()) : i64;
    Access input = {adaptor.getInput(), allDims(last + 1)};
    Value max = e.max(type.getShape(), rows, element, {input}, identity);
    Value none =
        e.filled(rowShape, arith::ConstantOp::create(rewriter, op.getLoc(),
                                                     rewriter.getIntegerAttr(index, columns)));
    Value first = e.generic(
        type.getRank(), {input, {max, rows}}, {{none, rows}},
        [&](Emitter &e, ValueRange args) -> SmallVector<Value> {
          OpBuilder &b = e.builder;
          Value isMax;
          // The maximum is NaN where any entry is, and the first such entry is taken.
          if (isa<FloatType>(element))
            isMax = arith::OrIOp::create(
                b, e.loc,
                arith::CmpFOp::create(b, e.loc, arith::CmpFPredicate::OEQ, args[0], args[1]),
                arith::CmpFOp::create(b, e.loc, arith::CmpFPredicate::UNO, args[0], args[0]));
          else
            isMax = arith::CmpIOp::create(b, e.loc, arith::CmpIPredicate::eq, args[0], args[1]);
          Value here =
              arith::IndexCastOp::create(b, e.loc, index, linalg::IndexOp::create(b, e.loc, last));
          Value candidate = e.select(isMax, here, e.constant(index, columns));
          return {arith::MinSIOp::create(b, e.loc, args[2], candidate)};
        })[0];
    if (index != i64)
      first = e.map(rowShape, i64, {{first, rows}}, [&](Emitter &e, ValueRange args) -> Value {
        return arith::ExtSIOp::create(e.builder, e.loc, i64, args[0]);
      });
    rewriter.replaceOp(op, first);
    return success();
  }
};

} // namespace

void bigmac::populateNNReduceToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerReduceSum, LowerReduceMax, LowerArgMax>(patterns.getContext());
}
