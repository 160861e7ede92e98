//===- FoldMatmulTransposes.cpp - nn-fold-matmul-transposes ----------------===//

#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace bigmac::nn {
#define GEN_PASS_DEF_NNFOLDMATMULTRANSPOSES
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace bigmac::nn;

/// The input of a transpose that exchanges the last two dimensions only; null for none.
static Value matchMatrixTranspose(Value value) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  if (!transpose)
    return {};
  ArrayRef<int64_t> permutation = transpose.getPermutation();
  int64_t rank = static_cast<int64_t>(permutation.size());
  if (rank < 2 || permutation[rank - 2] != rank - 1 || permutation[rank - 1] != rank - 2)
    return {};
  for (int64_t i = 0; i < rank - 2; ++i)
    if (permutation[i] != i)
      return {};
  return transpose.getInput();
}

namespace {

struct FoldTranspose : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    Value lhs = matchMatrixTranspose(op.getLhs()), rhs = matchMatrixTranspose(op.getRhs());
    if (!lhs && !rhs)
      return failure();
    rewriter.replaceOpWithNewOp<MatmulOp>(op, lhs ? lhs : op.getLhs(), rhs ? rhs : op.getRhs(),
                                          op.getTransposeLhs() != static_cast<bool>(lhs),
                                          op.getTransposeRhs() != static_cast<bool>(rhs));
    return success();
  }
};

struct FoldMatmulTransposes : bigmac::nn::impl::NNFoldMatmulTransposesBase<FoldMatmulTransposes> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FoldTranspose>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
