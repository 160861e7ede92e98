//===- NNShape.cpp - transpose and broadcast to linalg ---------------------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

struct LowerTranspose : OpConversionPattern<nn::TransposeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::TransposeOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    Value init = e.empty(op.getType().getShape(), op.getType().getElementType());
    rewriter.replaceOpWithNewOp<linalg::TransposeOp>(op, adaptor.getInput(), init,
                                                     op.getPermutation());
    return success();
  }
};

struct LowerBroadcast : OpConversionPattern<nn::BroadcastOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::BroadcastOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    ArrayRef<int64_t> from = typeOf(adaptor.getInput()).getShape();
    // Without its unit dimensions the input is indexed by the dimensions that are left.
    int64_t lead = type.getRank() - static_cast<int64_t>(from.size());
    SmallVector<int64_t> shape, dims;
    for (auto [i, size] : llvm::enumerate(from))
      if (size != 1) {
        shape.push_back(size);
        dims.push_back(lead + i);
      }
    Value input = nn::createReshape(rewriter, op.getLoc(), adaptor.getInput(), shape);
    rewriter.replaceOp(op, e.map(type.getShape(), type.getElementType(), {{input, dims}},
                                 [](Emitter &, ValueRange args) { return args[0]; }));
    return success();
  }
};

} // namespace

void bigmac::populateNNShapeToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerTranspose, LowerBroadcast>(patterns.getContext());
}
