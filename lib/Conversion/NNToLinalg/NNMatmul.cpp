//===- NNMatmul.cpp - Matrix products and convolutions to linalg -----------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

struct LowerMatmul : OpConversionPattern<nn::MatmulOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::MatmulOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    int64_t batch = typeOf(adaptor.getLhs()).getRank() - 2;
    int64_t m = batch, n = batch + 1, k = batch + 2;
    bool shared = typeOf(adaptor.getRhs()).getRank() == 2;
    SmallVector<int64_t> lhs, rhs, out;
    for (int64_t i = 0; i < batch; ++i) {
      lhs.push_back(i);
      if (!shared)
        rhs.push_back(i);
      out.push_back(i);
    }
    lhs.append(op.getTransposeLhs() ? std::initializer_list<int64_t>{k, m}
                                    : std::initializer_list<int64_t>{m, k});
    rhs.append(op.getTransposeRhs() ? std::initializer_list<int64_t>{n, k}
                                    : std::initializer_list<int64_t>{k, n});
    out.append({m, n});
    Value zero = e.filled(type.getShape(), type.getElementType(), 0.0);
    rewriter.replaceOp(
        op, e.contract(batch + 3, {adaptor.getLhs(), lhs}, {adaptor.getRhs(), rhs}, {zero, out}));
    return success();
  }
};

/// Copies windows to columns and multiplies: [n, g, c/g * kernel, positions].
struct LowerConv : OpConversionPattern<nn::ConvOp> {
  using OpConversionPattern::OpConversionPattern;

  static Value pad(Emitter &e, Value input, ArrayRef<int64_t> pads) {
    RankedTensorType type = typeOf(input);
    int64_t spatial = type.getRank() - 2;
    SmallVector<int64_t> shape(type.getShape());
    SmallVector<OpFoldResult> offsets(type.getRank(), e.builder.getIndexAttr(0));
    for (int64_t i = 0; i < spatial; ++i) {
      shape[i + 2] += pads[i] + pads[spatial + i];
      offsets[i + 2] = e.builder.getIndexAttr(pads[i]);
    }
    Value zeros = e.filled(shape, type.getElementType(), 0.0);
    return e.insert(input, zeros, offsets, type.getShape());
  }

  static Value windows(Emitter &e, nn::ConvOp op, Value input) {
    RankedTensorType type = typeOf(input);
    int64_t spatial = type.getRank() - 2, groups = op.getGroups();
    ArrayRef<int64_t> filter = op.getFilter().getType().getShape();
    ArrayRef<int64_t> result = op.getType().getShape();
    SmallVector<int64_t> grouped = {type.getDimSize(0), groups, filter[1]};
    llvm::append_range(grouped, type.getShape().drop_front(2));
    input = nn::createReshape(e.builder, e.loc, input, grouped);
    // Dimensions: n, g, c, kernel..., positions...
    unsigned rank = 3 + 2 * spatial;
    MLIRContext *context = e.builder.getContext();
    SmallVector<AffineExpr> index;
    for (unsigned i = 0; i < 3; ++i)
      index.push_back(getAffineDimExpr(i, context));
    SmallVector<int64_t> shape = {grouped[0], groups, filter[1]};
    for (int64_t i = 0; i < spatial; ++i)
      index.push_back(getAffineDimExpr(3 + spatial + i, context) * op.getStrides()[i] +
                      getAffineDimExpr(3 + i, context) * op.getDilations()[i]);
    llvm::append_range(shape, filter.drop_front(2));
    llvm::append_range(shape, result.drop_front(2));
    SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
    Value init = e.empty(shape, type.getElementType());
    return linalg::GenericOp::create(e.builder, e.loc, TypeRange{init.getType()}, ValueRange{input},
                                     ValueRange{init},
                                     ArrayRef<AffineMap>{AffineMap::get(rank, 0, index, context),
                                                         e.builder.getMultiDimIdentityMap(rank)},
                                     iterators,
                                     [](OpBuilder &nested, Location loc, ValueRange args) {
                                       linalg::YieldOp::create(nested, loc, args[0]);
                                     })
        .getResult(0);
  }

  LogicalResult matchAndRewrite(nn::ConvOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    ArrayRef<int64_t> filterShape = op.getFilter().getType().getShape();
    int64_t groups = op.getGroups(), outputs = type.getDimSize(1) / groups;
    int64_t depth = 1, positions = 1;
    for (int64_t size : filterShape.drop_front(1))
      depth *= size;
    for (int64_t size : type.getShape().drop_front(2))
      positions *= size;
    Value input = adaptor.getInput();
    if (llvm::any_of(op.getPads(), [](int64_t pad) { return pad != 0; }))
      input = pad(e, input, op.getPads());
    Value columns = nn::createReshape(rewriter, op.getLoc(), windows(e, op, input),
                                      {type.getDimSize(0), groups, depth, positions});
    Value filter =
        nn::createReshape(rewriter, op.getLoc(), adaptor.getFilter(), {groups, outputs, depth});
    Value zero =
        e.filled({type.getDimSize(0), groups, outputs, positions}, type.getElementType(), 0.0);
    // n, g, o, p | k
    Value product =
        e.contract(5, {filter, {1, 2, 4}}, {columns, {0, 1, 4, 3}}, {zero, {0, 1, 2, 3}});
    rewriter.replaceOp(op, nn::createReshape(rewriter, op.getLoc(), product, type.getShape()));
    return success();
  }
};

} // namespace

void bigmac::populateNNMatmulToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerMatmul, LowerConv>(patterns.getContext());
}
