//===- DecomposeConv.cpp - nn-decompose-conv -------------------------------===//

#include "dialects/NN/Transforms/Matching.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace bigmac::nn {
#define GEN_PASS_DEF_NNDECOMPOSECONV
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace bigmac::nn;

/// Whether every input element is read by at most one window, and without padding.
static bool readsPatches(ConvOp op) {
  ArrayRef<int64_t> kernel = tensorType(op.getFilter()).getShape().drop_front(2);
  return op.getGroups() == 1 && op.getStrides() == kernel &&
         llvm::all_of(op.getPads(), [](int64_t pad) { return pad == 0; }) &&
         llvm::all_of(llvm::zip_equal(op.getDilations(), kernel), [](auto pair) {
           auto [dilation, size] = pair;
           return dilation == 1 || size == 1;
         });
}

/// The addition of a bias, one value a channel, that alone uses the convolution's result.
static arith::AddFOp matchBias(ConvOp op, Value &bias) {
  if (!op.getResult().hasOneUse())
    return {};
  auto sum = dyn_cast<arith::AddFOp>(*op.getResult().user_begin());
  if (!sum)
    return {};
  Spread spread = Spread::of(sum.getLhs() == op.getResult() ? sum.getRhs() : sum.getLhs());
  spread.peel();
  int64_t channels = tensorType(op.getResult()).getDimSize(1);
  if (tensorType(spread.value).getNumElements() != channels ||
      llvm::any_of(spread.dims, [](int64_t dim) { return dim >= 0 && dim != 1; }))
    return {};
  bias = spread.value;
  return sum;
}

namespace {

struct DecomposePatches : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    if (!readsPatches(op))
      return failure();
    Location loc = op.getLoc();
    RankedTensorType input = tensorType(op.getInput()), filter = tensorType(op.getFilter());
    ArrayRef<int64_t> result = tensorType(op.getResult()).getShape();
    int64_t batch = input.getDimSize(0), inner = input.getDimSize(1), outer = result[1];
    int64_t spatial = input.getRank() - 2;
    Value bias;
    arith::AddFOp sum = matchBias(op, bias);
    if (sum)
      rewriter.setInsertionPoint(sum);

    // Rows and columns beyond the last whole patch are not read.
    SmallVector<int64_t> read = {batch, inner};
    for (int64_t i = 0; i < spatial; ++i)
      read.push_back(result[i + 2] * filter.getDimSize(i + 2));
    Value patches = op.getInput();
    if (ArrayRef<int64_t>(read) != input.getShape()) {
      SmallVector<OpFoldResult> offsets(read.size(), rewriter.getIndexAttr(0));
      SmallVector<OpFoldResult> strides(read.size(), rewriter.getIndexAttr(1));
      SmallVector<OpFoldResult> sizes = llvm::map_to_vector(
          read, [&](int64_t size) { return OpFoldResult(rewriter.getIndexAttr(size)); });
      patches = tensor::ExtractSliceOp::create(rewriter, loc, patches, offsets, sizes, strides);
    }
    // [n, c, h, kh, w, kw] -> [n, h, w, c, kh, kw] -> [n, h * w, c * kh * kw]
    SmallVector<int64_t> split = {batch, inner}, permutation = {0};
    int64_t windows = 1, depth = inner;
    for (int64_t i = 0; i < spatial; ++i) {
      split.append({result[i + 2], filter.getDimSize(i + 2)});
      permutation.push_back(2 + 2 * i);
      windows *= result[i + 2];
      depth *= filter.getDimSize(i + 2);
    }
    permutation.push_back(1);
    for (int64_t i = 0; i < spatial; ++i)
      permutation.push_back(3 + 2 * i);
    patches = createReshape(rewriter, loc, patches, split);
    patches = TransposeOp::create(rewriter, loc, patches, permutation);
    patches = createReshape(rewriter, loc, patches, {batch, windows, depth});
    // A view of the filter: the parameter keeps its shape.
    Value matrix = createReshape(rewriter, loc, op.getFilter(), {outer, depth});
    Value product = MatmulOp::create(rewriter, loc, patches, matrix, /*transpose_lhs=*/false,
                                     /*transpose_rhs=*/true);
    if (sum) {
      Value vector = createReshape(rewriter, loc, bias, {outer});
      Value spread = createBroadcast(rewriter, loc, vector, {batch, windows, outer});
      product = arith::AddFOp::create(rewriter, sum.getLoc(), product, spread);
    }
    Value channels = TransposeOp::create(rewriter, loc, product, ArrayRef<int64_t>{0, 2, 1});
    Value whole = createReshape(rewriter, loc, channels, result);
    if (sum) {
      rewriter.replaceOp(sum, whole);
      rewriter.eraseOp(op);
    } else {
      rewriter.replaceOp(op, whole);
    }
    return success();
  }
};

struct DecomposeConv : bigmac::nn::impl::NNDecomposeConvBase<DecomposeConv> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<DecomposePatches>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
